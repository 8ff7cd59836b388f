import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { type Driver, startProvider } from "./driver.ts";
import { drift, home, owner } from "./fixture.ts";

const type = "borgpull:index:Program";
const inputs = { home, owner };
let folder: string;
let versions: string;
let provider: Driver;
before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-program-"));
  versions = path.join(folder, "state/versions");
  provider = await startProvider({ BORGPULL_STATE: `${folder}/state` });
});
after(async () => {
  await provider[Symbol.asyncDispose]();
  fs.rmSync(folder, { recursive: true, force: true });
});

const current = () => fs.readlinkSync(path.join(versions, "current-proj+dev"));
const names = () => fs.readdirSync(versions).toSorted();
const install = () => provider.create(type, inputs);

/** A copy that another version of the checkout has made, in files hard-linked to ours; older by a number of days. */
function makeOld(name: string, daysOld: number): string {
  const target = path.join(versions, name);
  const source = path.join(versions, current());
  const list = JSON.parse(fs.readFileSync(path.join(source, "files.json"), "utf8"));
  for (const file of Object.keys(list.files)) {
    fs.mkdirSync(path.dirname(path.join(target, file)), { recursive: true });
    fs.linkSync(path.join(source, file), path.join(target, file));
  }
  const installed = new Date(Date.now() - daysOld * 86_400_000).toISOString();
  fs.writeFileSync(path.join(target, "files.json"), JSON.stringify({ ...list, installed }));
  return target;
}

async function runFrom(copy: string): Promise<ChildProcess> {
  const child = spawn(path.join(copy, "node_modules/.bin/node"), [
    "-e",
    "console.log(1); setInterval(() => {}, 1e6)",
  ]);
  await once(child.stdout, "data");
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

test("the copy runs by itself, every verb of it, and with a Node of its own", async () => {
  const { outputs } = await install();
  assert.equal(outputs.installed, current());
  assert.match(current(), /^\d+\.\d+\.\d+-[0-9a-f]{12}$/);
  const moved = path.join(folder, "elsewhere");
  fs.cpSync(path.join(versions, current()), moved, { recursive: true });
  const said = (program: string, words: readonly string[]) =>
    execFileSync(path.join(moved, program), words, {
      env: { BORGPULL_STATE: folder },
      encoding: "utf8",
      cwd: moved,
    });
  for (const verb of ["run", "list", "rollback", "host-key"])
    assert.match(said("cli/borgpull", [verb, "--help"]), /^Usage/);
  assert.match(said("cli/borgpull", ["report", "--out", "-"]), /^<!doctype html>/);
  // what a verb loads only when it needs it
  const late = ["nodemailer", "ssh2", "echarts/charts", "log-update"].map(
    (name) => `await import("${name}");`,
  );
  said("node_modules/.bin/node", ["--input-type=module", "-e", late.join(" ")]);
  fs.rmSync(moved, { recursive: true });
});

test("nothing in it is a link out of it, nor for others to write", () => {
  const all = fs.readdirSync(path.join(versions, current()), { recursive: true, withFileTypes: true });
  const odd = all.filter(
    (entry) =>
      !(entry.isFile() || entry.isDirectory()) ||
      (fs.statSync(path.join(entry.parentPath, entry.name)).mode & 0o022) !== 0,
  );
  assert.deepEqual(
    odd.map(({ name }) => name),
    [],
  );
});

test("installed again it is the same, and no file is touched", async () => {
  const at = path.join(versions, current());
  const stamps = () =>
    ["cli/main.ts", "node_modules/.bin/node"].map((file) => fs.statSync(path.join(at, file)).ino);
  const then = stamps();
  await install();
  assert.deepEqual(stamps(), then);
});

test("a changed, a missing and an unreadable file are found and put back; what only looks newer is no difference", async () => {
  const { id, outputs } = await install();
  const at = (file: string) => path.join(versions, current(), file);
  fs.utimesSync(at("cli/main.ts"), new Date(), new Date());
  assert.deepEqual((await drift(provider, type, id, outputs, inputs)).paths, {});
  fs.appendFileSync(at("pull/run.ts"), "\n");
  fs.rmSync(at("templates/service.hbs"));
  fs.chmodSync(at("cli/borgpull"), 0o600);
  const { live, paths } = await drift(provider, type, id, outputs, inputs);
  assert.deepEqual(paths, { installed: "UPDATE" });
  assert.equal(
    live.installed,
    `${current()}, missing or changed: cli/borgpull, pull/run.ts, templates/service.hbs`,
  );
  await provider.update(type, id, live, inputs);
  assert.deepEqual((await drift(provider, type, id, outputs, inputs)).paths, {});
  assert.equal(fs.readFileSync(at("pull/run.ts"), "utf8").endsWith("\n\n"), false);
});

test("a copy without its list, or whose link has gone, is made anew", async () => {
  const { id, outputs } = await install();
  fs.rmSync(path.join(versions, current(), "files.json"));
  const { live } = await drift(provider, type, id, outputs, inputs);
  assert.equal(live.installed, `${current()}, missing or changed: all of it`);
  await provider.update(type, id, live, inputs);
  fs.rmSync(path.join(versions, "current-proj+dev"));
  assert.deepEqual((await drift(provider, type, id, outputs, inputs)).paths, { "(gone)": "DELETE" });
  await install();
  assert.deepEqual((await drift(provider, type, id, outputs, inputs)).paths, {});
});

test("old versions stay while something runs from them, and the newest two besides", async () => {
  await install();
  const old = [1, 2, 3, 4, 5].map((days) => makeOld(`0.0.${days}-00000000000${days}`, days));
  const child = await runFrom(old[4] as string);
  await install();
  const kept = ["0.0.1-000000000001", "0.0.2-000000000002", "0.0.5-000000000005"];
  assert.deepEqual(names(), [...kept, current(), "current-proj+dev"]);
  await end(child);
  await install();
  assert.deepEqual(names(), [...kept.slice(0, 2), current(), "current-proj+dev"]);
});

test("a version takes the room of what it changed", async () => {
  const inode = (name: string) => fs.statSync(path.join(versions, name, "node_modules/.bin/node")).ino;
  makeOld("0.0.9-000000000009", 1);
  const shared = inode("0.0.9-000000000009");
  fs.rmSync(path.join(versions, current()), { recursive: true });
  await install();
  assert.equal(inode(current()), shared);
});

test("an install that is killed in its middle leaves no version, and the next one is whole", async () => {
  await install();
  const name = current();
  fs.rmSync(path.join(versions, name), { recursive: true });
  const killed = await startProvider({ BORGPULL_STATE: `${folder}/state` });
  const watcher = fs.watch(versions);
  const begun = once(watcher, "change");
  const dying = killed.create(type, inputs).catch(() => "killed");
  await begun;
  watcher.close();
  await killed[Symbol.asyncDispose]();
  assert.equal(await dying, "killed");
  assert.deepEqual(
    names().filter((each) => each === name || each === "unfinished"),
    ["unfinished"],
  );
  fs.writeFileSync(path.join(versions, "unfinished/of-another-version"), "");
  const { id, outputs } = await install();
  assert.deepEqual((await drift(provider, type, id, outputs, inputs)).paths, {});
  assert.equal(names().includes("unfinished"), false);
  assert.equal(fs.existsSync(path.join(versions, name, "of-another-version")), false);
});

test("two that install the same at once do not disturb each other", async () => {
  await using second = await startProvider({ BORGPULL_STATE: `${folder}/state` });
  fs.rmSync(path.join(versions, current()), { recursive: true });
  const both = await Promise.all([provider.create(type, inputs), second.create(type, inputs)]);
  for (const { id, outputs } of both) {
    assert.deepEqual((await drift(provider, type, id, outputs, inputs)).paths, {});
  }
  assert.equal(names().includes("unfinished"), false);
});

test("stacks of one home do not take each other's program away", async () => {
  const other = { home, owner: "proj/other" };
  const mine = await install();
  const theirs = await provider.create(type, other);
  await provider.remove(type, theirs.id, theirs.outputs, other);
  assert.equal(fs.existsSync(path.join(versions, current(), "cli/main.ts")), true);
  assert.deepEqual((await drift(provider, type, mine.id, mine.outputs, inputs)).paths, {});
});

test("removed, nothing of it is left but what something runs from", async () => {
  const { id, outputs } = await install();
  const name = current();
  const child = await runFrom(path.join(versions, name));
  await provider.remove(type, id, outputs, inputs);
  assert.deepEqual(names(), [name]);
  await end(child);
  await provider.remove(type, id, outputs, inputs);
  assert.equal(fs.existsSync(versions), false);
});

test("a checkout that does not run is refused, and what is installed stays", async () => {
  const checkout = path.join(folder, "checkout");
  const root = path.resolve(import.meta.dirname, "../..");
  for (const part of ["cli", "provider", "pull", "remote", "report", "schema", "templates", "package.json"]) {
    if (fs.existsSync(path.join(root, part)))
      fs.cpSync(path.join(root, part), path.join(checkout, part), { recursive: true });
  }
  fs.symlinkSync(path.join(root, "node_modules"), path.join(checkout, "node_modules"));
  const { id } = await install();
  const name = current();
  fs.appendFileSync(path.join(checkout, "cli/main.ts"), "\nimport './not-there.ts';\n");
  await using broken = await startProvider(
    { BORGPULL_STATE: `${folder}/state` },
    path.join(checkout, "provider/pulumi-resource-borgpull"),
  );
  await assert.rejects(
    broken.update(type, id, {}, inputs),
    /The copy of the program for the timers does not run: .*not-there/s,
  );
  fs.appendFileSync(path.join(checkout, "cli/main.ts"), "// a `git pull` in the middle of it\n");
  await assert.rejects(broken.update(type, id, {}, inputs), /has changed since `pulumi up` began/);
  assert.deepEqual(names(), [name, "current-proj+dev"]);
  assert.equal(current(), name);
});
