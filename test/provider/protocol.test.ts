import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { unknown } from "../../provider/values.ts";
import { type Driver, startProvider } from "./driver.ts";
import { home, owner } from "./fixture.ts";

const type = "borgpull:index:HostFile";
let folder: string;
let provider: Driver;
before(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "borgpull-protocol-"));
  provider = await startProvider();
});
after(async () => {
  await provider[Symbol.asyncDispose]();
  await fs.rm(folder, { recursive: true, force: true });
});

const secret = (value: unknown) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  value,
});
const user = os.userInfo().username;
const file = () => ({
  home,
  owner,
  path: `${folder}/job.json`,
  content: "x\n",
  mode: "0600",
  user,
  group: user,
});

test("it takes secrets and is called in previews", async () => {
  assert.deepEqual(await provider.handshake(), { acceptSecrets: true, supportsPreview: true });
});

test("a wrong input is named by its path", async () => {
  const { failures } = await provider.check(type, { ...file(), path: "relative", mode: "644", shiny: true });
  assert.deepEqual(failures.map(({ property }) => property).sort(), ["", "mode", "path"]);
  assert.match(failures.map(({ reason }) => reason).join(" "), /shiny/);
});

test("an input not known yet is not held against it", async () => {
  assert.deepEqual((await provider.check(type, { ...file(), content: unknown, path: unknown })).failures, []);
});

test("a preview of a create touches nothing and leaves what is computed unknown", async () => {
  const { outputs } = await provider.create(type, file(), true);
  assert.equal(outputs.content, "x\n");
  await assert.rejects(fs.stat(file().path), { code: "ENOENT" });
  const key = { home, owner, path: `${folder}/key`, comment: "x" };
  assert.equal((await provider.create("borgpull:index:SshIdentity", key, true)).outputs.publicKey, unknown);
  await assert.rejects(fs.stat(key.path), { code: "ENOENT" });
});

test("a preview of an update with an unknown input leaves what is computed unknown, and one without keeps it", async () => {
  const identity = { home, owner, path: `${folder}/key`, comment: `borgpull ${owner} x` };
  const type = "borgpull:index:SshIdentity";
  const { outputs } = await provider.create(type, identity);
  const known = await provider.update(type, "x", outputs, { ...identity, owner: "a/b" }, true);
  assert.equal(known.outputs.publicKey, outputs.publicKey);
  const open = await provider.update(type, "x", outputs, { ...identity, comment: unknown }, true);
  assert.equal(open.outputs.publicKey, unknown);
});

test("a secret input stays a secret, in the answer to check and in the state", async () => {
  const news = { ...file(), path: `${folder}/secret.json`, content: secret("hunter2\n") };
  assert.deepEqual((await provider.check(type, news)).inputs.content, secret("hunter2\n"));
  const { outputs } = await provider.create(type, news);
  assert.deepEqual(outputs.content, secret("hunter2\n"));
  const read = await provider.read(type, news.path, outputs, news);
  assert.deepEqual(read.outputs.content, secret("hunter2\n"));
  assert.equal(await fs.readFile(news.path, "utf8"), "hunter2\n");
});

test("every answer asks the engine to read before the next update", async () => {
  const made = await provider.create(type, file());
  const read = await provider.read(type, made.id, made.outputs, file());
  const updated = await provider.update(type, made.id, made.outputs, file());
  assert.deepEqual(
    [made, read, updated].map((answer) => answer.refreshBeforeUpdate),
    [true, true, true],
  );
});

test("another path replaces the file, and the engine is told why", async () => {
  const { replaces, paths } = await provider.diff(type, file(), { ...file(), path: "/elsewhere" });
  assert.deepEqual(replaces, ["path"]);
  assert.equal(paths.path, "UPDATE_REPLACE");
});

test("when its parent is gone the plugin ends by itself", { timeout: 30_000 }, async () => {
  const plugin = new URL("../../provider/pulumi-resource-borgpull", import.meta.url).pathname;
  // The shell stands for the engine: it starts the plugin, tells its pid and, once it serves, its port, and is killed.
  const engine = spawn("/bin/sh", ["-c", '"$0" & echo $!; wait', plugin], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: engine.stdout })[Symbol.asyncIterator]();
  const pid = Number((await lines.next()).value);
  assert.match((await lines.next()).value as string, /^\d+$/);
  engine.kill("SIGKILL");
  // A zombie that nobody reaps still has a pid, but no command line.
  const alive = () => fs.readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  while ((await alive()) !== "") await wait(50);
});

test("what a kind promises is among its inputs, so that a difference shows the wanted value", async () => {
  assert.equal((await provider.check(type, file())).inputs.activated, true);
  const { inputs } = await provider.check("borgpull:index:SshIdentity", {
    home,
    owner,
    path: "/x",
    comment: "y",
  });
  assert.equal(inputs.mode, "0600");
});
