/** Hooks at home, around real pulls and around runs that reach nobody. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { runJob } from "../../pull/run.ts";
import { standingOf } from "../../pull/status.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { editJob, furnishVps, makeHome, makeJob, passphrase, settings, waitFor } from "./pull-fixture.ts";

const job = "web1";
let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;
let file: string;
let sound: string;
/** Where hooks write to. */
let out: string;

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: job, base: "debian12", login: "root" });
  file = await makeJob(home, host, job);
  sound = fs.readFileSync(file, "utf8");
  await furnishVps(host, job);
  await settings(host, job, { roots: ["/etc/ssh"] });
});

beforeEach(() => {
  fs.writeFileSync(file, sound);
  out = fs.mkdtempSync(path.join(home.folder, "out-"));
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

type Hooks = Readonly<Partial<Record<"before" | "after" | "onError", string>>>;

const hooks = (commands: Hooks, timeoutSeconds = 30) =>
  editJob(file, (data) => ({
    ...data,
    hooksAtHome: Object.fromEntries(
      Object.entries(commands).map(([name, run]) => [name, { run, timeoutSeconds }]),
    ) as JobFile["hooksAtHome"],
  }));
/** A command that notes that it ran, and with which outcome. */
const says = (name: string) => `echo "${name} $BORGPULL_OUTCOME" >> ${out}/said`;
const said = () =>
  fs
    .readFileSync(`${out}/said`, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.trim());
const unreachable = () => editJob(file, (data) => ({ ...data, pull: { ...data.pull, port: 23 } }));
const lastRun = () => {
  using ledger = openLedger(homePaths().stateDb);
  return ledger.runs(job, 1)[0];
};

test("around a good run: before, then after, which knows the outcome", async () => {
  hooks({ before: says("before"), after: says("after"), onError: says("onError") });
  assert.equal((await runJob(file)).outcome, "good");
  assert.deepEqual(said(), ["before", "after good"]);
});

test("before that fails: nothing is connected, onError and after run, and the run has failed", async () => {
  unreachable(); // would be the failure, were it tried
  hooks({ before: "echo 'the disk is asleep' >&2; exit 3", onError: says("onError"), after: says("after") });
  const { outcome, failure } = await runJob(file);
  assert.equal(outcome, "failed");
  assert.equal(failure?.kind, "hook-failed");
  assert.match(failure.problem, /before hook at home failed with exit code 3 \(the disk is asleep\)/);
  assert.deepEqual(said(), ["onError failed", "after failed"]);
  assert.deepEqual(lastRun()?.failure, failure);
});

test("onError runs before after when a pull failed, and not when it was good", async () => {
  unreachable();
  hooks({ after: says("after"), onError: says("onError") });
  assert.equal((await runJob(file)).failure?.kind, "unreachable");
  assert.deepEqual(said(), ["onError failed", "after failed"]);
});

test("after that fails makes a good run one with warnings, in home's records too", async () => {
  hooks({ after: "exit 5" });
  const { outcome, warnings, archive } = await runJob(file);
  assert.equal(outcome, "warning");
  assert.deepEqual(warnings, ["The after hook at home failed with exit code 5."]);
  assert.ok(archive);
  assert.deepEqual([lastRun()?.outcome, lastRun()?.warnings], ["warning", warnings]);
  using ledger = openLedger(homePaths().stateDb);
  assert.equal(standingOf(readJobFile(file), ledger).state, "warning");
  assert.equal(ledger.lastGood(job)?.archive?.name, archive.name, "it is a good backup all the same");
});

test("onError that fails is a warning beside the failure, which stays what it is", async () => {
  unreachable();
  hooks({ onError: "exit 5" });
  const { outcome, failure, warnings } = await runJob(file);
  assert.deepEqual([outcome, failure?.kind], ["failed", "unreachable"]);
  assert.deepEqual(warnings, ["The onError hook at home failed with exit code 5."]);
  assert.deepEqual([lastRun()?.outcome, lastRun()?.warnings], ["failed", warnings]);
});

test("what a hook writes is told, without what a terminal would obey", async () => {
  hooks({ before: "printf 'mounted \\033[31mred\\n'; exit 1" });
  const notes: string[] = [];
  await runJob(file, { onNote: (note) => notes.push(note) });
  assert.deepEqual(notes, ["before hook at home: mounted  [31mred"]);
});

test("a hook has a small environment, no file of ours, and no passphrase anywhere in it", async () => {
  process.env.BORG_PASSPHRASE = passphrase; // as somebody who calls borgpull may have it
  try {
    hooks({ after: `tr '\\0' '\\n' < /proc/self/environ > ${out}/env; ls -l /proc/self/fd > ${out}/fds` });
    assert.equal((await runJob(file)).outcome, "good");
  } finally {
    delete process.env.BORG_PASSPHRASE;
  }
  const env = fs.readFileSync(`${out}/env`, "utf8").trim().split("\n");
  const names = env
    .map((line) => line.split("=")[0])
    .filter((name) => !["PWD", "_", "SHLVL", "OLDPWD"].includes(name ?? ""));
  const ours = ["BORGPULL_JOB", "BORGPULL_OUTCOME", "BORGPULL_RUN"];
  assert.deepEqual(names.sort(), [...ours, "HOME", "LANG", "LOGNAME", "PATH", "USER"]);
  assert.ok(env.includes(`BORGPULL_RUN=${lastRun()?.run}`));
  const opened = fs.readFileSync(`${out}/fds`, "utf8");
  assert.doesNotMatch(opened, new RegExp(`${home.folder}/(config|state)`));
});

/** A command that does not end, in a process group with a child that ends for nobody. */
const endless = (name: string) =>
  `echo $$ > ${out}/${name}; (trap '' TERM; while :; do sleep 1; done) & trap '' TERM; while :; do sleep 1; done`;

const groupOf = (name: string) => Number(fs.readFileSync(`${out}/${name}`, "utf8"));
const lives = (group: number) => {
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
};

test("a hook that takes too long is ended with all that it started, and the run says so", async () => {
  hooks({ before: endless("hook"), after: says("after") }, 1);
  const { failure } = await runJob(file);
  assert.match(failure?.problem ?? "", /before hook at home did not end within 1 s/);
  assert.deepEqual(said(), ["after failed"]);
  await waitFor("the hook's end", () => !lives(groupOf("hook")));
});

test("what a hook leaves in the background ends with it", async () => {
  hooks({ before: `sleep 300 & echo $$ > ${out}/hook; exit 1` });
  await runJob(file);
  await waitFor("its end", () => !lives(groupOf("hook")));
});

test("a run that is cancelled in its before hook: the hook ends, nothing is connected, after runs", async () => {
  const cancel = new AbortController();
  hooks({ before: `echo $$ > ${out}/hook; exec sleep 300`, after: says("after") });
  const running = runJob(file, { signal: cancel.signal });
  await waitFor("the hook", () => fs.existsSync(`${out}/hook`) && groupOf("hook") > 0);
  cancel.abort();
  const { outcome, failure } = await running;
  assert.deepEqual([outcome, failure?.kind], ["failed", "cancelled"]);
  assert.deepEqual(said(), ["after failed"]);
  assert.equal(lives(groupOf("hook")), false);
});
