import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { careRecords } from "../../pull/care/due.ts";
import { planPrune } from "../../pull/care/prune.ts";
import { type Ledger, openLedger } from "../../pull/ledger.ts";
import { targets } from "../../pull/rollback/targets.ts";
import { readConfig, readConfigCopy } from "../../pull/trust/config-file.ts";
import { gate } from "../../pull/trust/gate.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull, program } from "../borgpull.ts";
import { backUp, borgByHand, borgOf, makeLocalJob } from "./prune-fixture.ts";
import { makeHome, passphrase, waitFor } from "./pull-fixture.ts";

const hour = 3600 * 1000;
const byHand = (...args: readonly string[]) => borgpull(["borg", "web1", "--", ...args]);

let home: ReturnType<typeof makeHome>;
let job: JobFile;
let id: string;
let ledger: Ledger;
let first: string;
let second: string;

before(async () => {
  home = makeHome();
  job = await makeLocalJob(home.folder, "web1", { daily: 7 });
  ledger = openLedger(homePaths().stateDb);
  id = readConfig(job.repository).id;
  first = await backUp(job, Date.now() - 2 * hour);
  second = await backUp(job, Date.now() - hour);
});
// What one test has found is no matter of the next one.
afterEach(() => ledger.resolveBreaches("web1", "accept"));
after(() => {
  ledger?.[Symbol.dispose]();
  home?.[Symbol.dispose]();
});

const found = () => ledger.openBreaches("web1").flatMap(({ findings }) => findings.map(({ kind }) => kind));

/** How each archive stands: how far it is trusted, or why it is gone. */
const standing = () =>
  Object.fromEntries(ledger.archives(id).map(({ name, trust, gone }) => [name, gone?.why ?? trust]));

/** The states that a rollback could go back to. */
const whereTo = () =>
  targets(ledger.marks(id), new Set(Array.from({ length: 100 }, (_, segment) => segment))).map(
    ({ why }) => why,
  );

test("borg's output and exit code are borg's own", async () => {
  const list = await byHand("list", "--short");
  assert.equal(list.stdout, `${first}\n${second}\n`);
  assert.equal(list.code, 0, list.stderr);
  const missing = await byHand("list", "::nothing");
  assert.match(missing.stderr, /nothing does not exist/);
  assert.equal(missing.code, 2);
});

test("what borgpull has a command of its own for is refused with its name", async () => {
  const change = await byHand("key", "change-passphrase");
  assert.match(change.stderr, /Run "borgpull passphrase web1"/);
  const mount = await byHand("mount", "::", "/mnt");
  assert.match(mount.stderr, /Run "borgpull mount web1"/);
  assert.deepEqual([change.code, mount.code], [2, 2]);
});

test("borgpull killed while a person's borg works leaves no alarm, no borg, and a repository that works", async () => {
  const child = spawn(program, ["borg", "web1", "--", "create", "::mine", "/etc/hostname", "-"], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  let borg = 0;
  await waitFor("borg to be at work", () => {
    borg = borgOf(child.pid as number) ?? 0;
    return borg > 0 && fs.existsSync(path.join(job.repository, "lock.exclusive"));
  });
  const secrets = ["cmdline", "environ"].map((name) => fs.readFileSync(`/proc/${borg}/${name}`, "utf8"));
  assert.ok(secrets.every((text) => !text.includes(passphrase.slice(0, 20))));
  const busy = await byHand("list");
  assert.match(busy.stderr, /is being worked on/);

  child.kill("SIGKILL");
  await once(child, "exit");
  await waitFor("borg to end", () => !fs.existsSync(`/proc/${borg}`));
  assert.equal((await gate({ job, ledger })).breach, undefined);
  assert.deepEqual(ledger.openOperations("web1"), []);
  assert.deepEqual(standing(), { [first]: "good", [second]: "good" });
});

test("archives that a person makes and removes are that person's and no alarm, and can be brought back for a while", async () => {
  assert.equal((await byHand("create", "::mine", "/etc/hostname")).code, 0);
  assert.equal((await byHand("delete", `::${first}`)).code, 0);
  assert.deepEqual(standing(), { [first]: "attended", [second]: "good", mine: "attended" });
  assert.equal((await gate({ job, ledger })).breach, undefined);

  const plan = await planPrune({ job, ledger });
  assert.equal(plan.find(({ archive }) => archive.name === "mine")?.stays, true);
  assert.deepEqual(whereTo().slice(-2), ["attended", "attended"]);
  const compacted = careRecords("web1", id, ledger).last.compact?.done ?? 0;
  assert.ok(compacted > Date.now() - hour, "the next compact counts from now");
  const events = ledger.events("web1", 10).filter(({ kind }) => kind === "attended");
  assert.deepEqual(
    events.slice(0, 2).map(({ text }) => text),
    ["borg delete: 1 archive(s) removed", "borg create: 1 archive(s) made"],
  );
});

test("a setting that a person changes in the repository's config is taken over", async () => {
  assert.equal((await byHand("config", job.repository, "additional_free_space", "2G")).code, 0);
  assert.match(readConfigCopy("web1")?.text ?? "", /additional_free_space = 2G/);
  await backUp(job, Date.now());
  assert.deepEqual(found(), []);
});

test("what was changed besides is no person's own: it is said, exit code 3, and nothing can be compacted", async () => {
  await borgByHand(job, ["delete", `REPO::${second}`]);
  const list = await byHand("list", "--short");
  assert.equal(list.code, 3);
  assert.match(list.stdout, /^mine$/m, "the command is done all the same");
  assert.match(list.stderr, /was tampered with.*has vanished/);
  const compact = await byHand("compact");
  assert.equal(compact.code, 3);
  assert.ok(!whereTo().includes("compact"));
  const write = await borgpull(["forward", "web1", "--write"]);
  assert.equal(write.code, 3, "nor does the VPS get to write");
});

test("a session from the VPS of which nobody saw the end is judged as any other", async () => {
  const session = { kind: "attended", where: "vps", what: "borgpull forward", rewritesLog: false } as const;
  ledger.beginOperation("web1", session);
  assert.equal((await gate({ job, ledger })).breach, undefined, "it changed nothing");

  ledger.beginOperation("web1", session);
  await borgByHand(job, ["create", "REPO::seen", "/etc/hostname"]);
  assert.equal((await gate({ job, ledger, witnessed: true })).breach, undefined);
  assert.equal(standing().seen, "attended");

  ledger.beginOperation("web1", session);
  await borgByHand(job, ["create", "REPO::theirs", "/etc/hostname"]);
  await borgByHand(job, ["delete", "REPO::mine"]);
  await gate({ job, ledger });
  assert.deepEqual(found(), ["objects-deleted", "archive-vanished", "archive-appeared"]);
  assert.deepEqual(ledger.openOperations("web1"), []);
});

test("after a compact by hand no rollback goes back to before it", async () => {
  assert.equal((await byHand("compact")).code, 0);
  assert.deepEqual(whereTo(), ["compact"]);
});

test("a config that somebody else had changed does not become home's by a person's own change", async () => {
  const copy = readConfigCopy("web1")?.digest;
  fs.appendFileSync(path.join(job.repository, "config"), "somebody = else\n");
  assert.equal((await byHand("config", job.repository, "additional_free_space", "3G")).code, 3);
  assert.ok(found().includes("config-changed"));
  assert.equal(readConfigCopy("web1")?.digest, copy);
});
