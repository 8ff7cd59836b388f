/** borg's checks at home: what they find, what is not done from then on, and until when. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { borg } from "../../pull/borg/command.ts";
import { check } from "../../pull/care/check.ts";
import { compact } from "../../pull/care/compact.ts";
import { prune } from "../../pull/care/prune.ts";
import { UnsoundError } from "../../pull/care/sound.ts";
import { type CareSteps, care } from "../../pull/care.ts";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { accept } from "../../pull/rollback/accept.ts";
import { segmentFilesOf } from "../../pull/segments/files.ts";
import { gate } from "../../pull/trust/gate.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { backUp, borgByHand, borgOf, careJob, makeLocalJob, stateOf } from "./prune-fixture.ts";
import { makeHome, waitFor } from "./pull-fixture.ts";

const day = 24 * 3600 * 1000;
const week = 7 * 24 * 3600;
const now = Date.now();
const ago = (days: number) => now - days * day;
const ledgerOf = () => openLedger(homePaths().stateDb);
const idOf = ({ repository }: JobFile): string =>
  /^id = (.+)$/m.exec(fs.readFileSync(path.join(repository, "config"), "utf8"))?.[1] as string;

/** Flips one byte of what is at that share of the repository's largest segment; doing it again mends it. */
function flip({ repository }: JobFile, share: number): void {
  const [largest] = segmentFilesOf(repository).toSorted((a, b) => b.bytes - a.bytes);
  const { file, bytes } = largest as NonNullable<typeof largest>;
  const handle = fs.openSync(path.join(repository, file), "r+");
  const one = Buffer.alloc(1);
  const at = Math.floor(bytes * share);
  fs.readSync(handle, one, 0, 1, at);
  one[0] = (one[0] as number) ^ 0xff;
  fs.writeSync(handle, one, 0, 1, at);
  fs.closeSync(handle);
}

describe("of a repository with a byte that has flipped", { timeout: 300_000 }, () => {
  let home: ReturnType<typeof makeHome>;
  let job: JobFile;

  before(async () => {
    home = makeHome();
    const often = { prune: week, compact: week, checkRepository: week };
    job = await makeLocalJob(home.folder, "web1", { daily: 1 }, often);
    await backUp(job, ago(3), { files: 40 });
    await backUp(job, ago(1));
  });
  after(() => home?.[Symbol.dispose]());

  it("is good before, in whole and by kind, and is nothing that a gate takes for a change", async () => {
    const usual = await borgpull(["check", "web1"]);
    assert.equal(usual.code, 0, usual.stderr);
    assert.match(
      usual.stdout,
      /^web1: check of the repository good \(\d+ kB\)\nweb1: check of the archives good \(2 archives\)\n$/,
    );
    const data = await borgpull(["check", "web1", "--data"]);
    assert.match(data.stdout, /^web1: check of all data good \(\d+ kB, 2 archives\)\n$/);
    using ledger = ledgerOf();
    const kinds = ledger.checks("web1", 9).map(({ kind, outcome }) => [kind, outcome]);
    assert.deepEqual(kinds, [
      ["data", "good"],
      ["archives", "good"],
      ["repository", "good"],
    ]);
    assert.deepEqual(await gate({ job, ledger }), {});
    assert.deepEqual(ledger.openBreaches("web1"), []);
  });

  it("is found by the check of the repository, with what it means and what to do; and goes on record", async () => {
    flip(job, 0.3);
    const { code, stderr } = await borgpull(["check", "web1", "--repository"]);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^web1: the check of the repository failed: borg found: .*checksum mismatch.*\. Pulls go on; nothing is pruned or compacted until "borgpull check web1 --repository" is good: see docs\/operations\.md#a-check-has-failed\.\n$/,
    );
    using ledger = ledgerOf();
    assert.equal(ledger.lastCheck("web1", "repository")?.outcome, "failed");
    assert.deepEqual(
      ledger.events("web1", 1).map(({ kind }) => kind),
      ["check"],
    );
  });

  it("keeps prune and compact from removing anything, though the archives are good", async () => {
    const archives = await borgpull(["check", "web1", "--archives"]);
    assert.equal(archives.code, 0, archives.stderr);
    for (const verb of ["prune", "compact"]) {
      const { code, stderr } = await borgpull([verb, "web1"]);
      assert.equal(code, 2);
      assert.match(stderr, /^The check of the repository of .* failed: borg found: .* is good: see docs/);
    }
    using ledger = ledgerOf();
    const [warning, ...more] = await care({ job, ledger });
    assert.match(warning ?? "", /^The check of the repository of .* failed/);
    assert.deepEqual(more, []);
    assert.equal(ledger.lastDone("web1", "prune"), undefined);
    assert.equal(ledger.archives(idOf(job)).filter(({ gone }) => gone).length, 0);
  });

  it("is found by the check of all data too, while that of the archives reads no data", async () => {
    const { code, stderr } = await borgpull(["check", "web1", "--archives", "--data"]);
    assert.equal(code, 2);
    assert.match(stderr, /^web1: the check of all data failed: borg found: chunk [0-9a-f]{64}.*--data/);
  });

  it("a pull is still good, and what comes after it warns", async () => {
    await backUp(job, now);
    using ledger = ledgerOf();
    assert.equal((await care({ job, ledger })).length, 2);
    assert.equal(ledger.runs("web1", 1)[0]?.outcome, "good");
  });

  it("a check that could not be done leaves the verdict as it was", async () => {
    const lock = path.join(job.repository, "lock.exclusive");
    fs.mkdirSync(lock);
    fs.writeFileSync(path.join(lock, "another.host@1.1-0"), "");
    using ledger = ledgerOf();
    const impatient = { ...job, limits: { ...job.limits, lockWaitSeconds: 1 } };
    await assert.rejects(
      check({ job: impatient, ledger, kind: "repository" }),
      /locked by process 1 of another\.host@1/,
    );
    fs.rmSync(lock, { recursive: true });
    assert.equal(ledger.lastCheck("web1", "repository")?.outcome, "failed");
    await assert.rejects(prune({ job, ledger }), UnsoundError);
    await assert.rejects(compact({ job, ledger }), UnsoundError);
  });

  it("once it is mended, a good check of each kind that failed lets prune and compact go on", async () => {
    flip(job, 0.3);
    using ledger = ledgerOf();
    assert.equal((await check({ job, ledger, kind: "repository" })).outcome, "good");
    await assert.rejects(prune({ job, ledger }), /check of all data/);
    assert.equal((await check({ job, ledger, kind: "data" })).outcome, "good");
    assert.deepEqual(await care({ job, ledger }), []);
    assert.equal(ledger.archives(idOf(job)).filter(({ gone }) => gone?.why === "pruned").length, 2);
    await compact({ job, ledger });
    assert.equal(ledger.mark(idOf(job))?.why, "compact");
  });
});

describe("of archives", { timeout: 300_000 }, () => {
  let home: ReturnType<typeof makeHome>;
  let job: JobFile;
  let names: readonly string[];
  const trust = () => {
    using ledger = ledgerOf();
    return ledger.archives(idOf(job)).flatMap(({ trust, gone }) => (gone ? [] : [trust]));
  };
  const acceptAll = () => accept(homePaths().jobFile("web1"), { confirm: async () => true });

  before(async () => {
    home = makeHome();
    job = await makeLocalJob(home.folder, "web1", { daily: 5 });
    names = [await backUp(job, ago(3)), await backUp(job, ago(2))];
  });
  after(() => home?.[Symbol.dispose]());

  it("one that is unconfirmed although nothing is wrong with it is good after a good check, once a person has accepted", async () => {
    // In one and the same gate: the run's own archive, and one that no run of ours made.
    const run = "20261120t010203z-0123456789ab";
    using ledger = ledgerOf();
    await gate({ job, ledger });
    ledger.begin(run, "web1");
    await borgByHand(job, ["create", "--compression=none", `REPO::web1-${run}`, "/etc/hostname"]);
    await borgByHand(job, ["create", "REPO::strange", "/etc/hostname"]);
    await gate({ job, ledger, run });
    ledger.finish(run, { outcome: "tampered", warnings: [] });
    assert.deepEqual(trust().toSorted(), ["foreign", "good", "good", "unconfirmed"]);

    const open = await borgpull(["check", "web1", "--archives"]);
    assert.equal(open.code, 3);
    assert.match(open.stderr, /was tampered with.*archive strange has appeared/);
    assert.ok(trust().includes("unconfirmed"), "a breach is open");

    await acceptAll();
    const accepted = await borgpull(["check", "web1", "--archives"]);
    assert.equal(accepted.code, 0, accepted.stderr);
    assert.match(
      accepted.stdout,
      new RegExp(`good \\(4 archives\\)\nweb1: web1-${run} counts as good from now on\n`),
    );
    assert.deepEqual(trust().toSorted(), ["foreign", "good", "good", "good"]);
    assert.equal(ledger.events("web1", 1)[0]?.kind, "confirmed");
  });

  it("with a hole: fails and names the archive, as long as home counts it as good, and no longer", async () => {
    const [first] = names as [string];
    const chunk = await chunkOf(job, first);
    await borgByHand(job, ["debug", "delete-obj", "REPO", chunk]);
    using ledger = ledgerOf();
    await gate({ job, ledger });
    ledger.resolveBreaches("web1", "accept");
    const failed = await borgpull(["check", "web1", "--archives"]);
    assert.equal(failed.code, 2);
    assert.match(
      failed.stderr,
      new RegExp(
        `the check of the archives failed: 1 of 4 archives not whole \\(${first}\\); borg says: .*New missing file chunk`,
      ),
    );

    const { id } = ledger.archives(idOf(job)).find(({ name }) => name === first) as { id: string };
    ledger.setTrust(idOf(job), id, "unconfirmed"); // as accept does with one that has holes
    const known = await borgpull(["check", "web1", "--archives"]);
    assert.equal(known.code, 0, known.stderr);
    assert.match(known.stdout, /good \(4 archives, 1 not whole, which do not count as good\)\n$/);
    assert.equal(ledger.archives(idOf(job)).find(({ name }) => name === first)?.trust, "unconfirmed");
  });

  it("that borg's check stumbles over: fails, and says where", async () => {
    const files = segmentFilesOf(job.repository).length;
    assert.ok(files > 0);
    const copies = segmentFilesOf(job.repository).map(({ file }) => {
      const whole = path.join(job.repository, file);
      return [whole, fs.readFileSync(whole)] as const;
    });
    // All content is rubbish, at the lengths that the log says: the list of archives is where borg begins, so that is left.
    const last = copies.at(-1) as (typeof copies)[number];
    for (const [file, content] of copies) {
      if (file === last[0] || content.length < 2000) continue;
      fs.writeFileSync(
        file,
        Buffer.concat([content.subarray(0, 200), Buffer.alloc(content.length - 200, 7)]),
      );
    }
    using ledger = ledgerOf();
    const { outcome, detail } = await check({ job, ledger, kind: "archives" });
    assert.equal(outcome, "failed");
    assert.match(detail.problem ?? "", /^borg found: .* \(at archive web1-/);
    for (const [file, content] of copies) fs.writeFileSync(file, content);
  });
});

/** A chunk of a file in that archive, and in no other. */
async function chunkOf({ repository, passphraseFile }: JobFile, name: string): Promise<string> {
  const passphrase = fs.readFileSync(passphraseFile, "utf8").trim();
  const folder = fs.mkdtempSync(path.join(path.dirname(repository), "items-"));
  const dumped = await borg(
    ["debug", "dump-archive", `${repository}::${name}`, path.join(folder, "all.json")],
    { passphrase },
  );
  assert.equal(dumped.code, 0, dumped.stderr);
  const text = fs.readFileSync(path.join(folder, "all.json"), "utf8");
  fs.rmSync(folder, { recursive: true });
  const chunk = /"chunks": \[\s*\[\s*"(?:\\u007f)?([0-9a-f]{64})"/.exec(text)?.[1];
  assert.ok(chunk, text.slice(0, 2000));
  return chunk;
}

describe("by the job's care", { timeout: 300_000 }, () => {
  let home: ReturnType<typeof makeHome>;
  let job: JobFile;

  before(async () => {
    home = makeHome();
    const often = { prune: week, compact: week, checkRepository: 2 * week, checkArchives: week, proof: week };
    job = await makeLocalJob(home.folder, "web1", { daily: 1 }, often);
    await backUp(job, ago(3));
    await backUp(job, ago(1));
  });
  after(() => home?.[Symbol.dispose]());

  /** What is on record of a care at that time, the oldest first. */
  const careAt = async (days: number, options: Partial<CareSteps> = {}) => {
    using ledger = openLedger(homePaths().stateDb, () => now + days * day);
    const [checks, events] = [ledger.checks("web1", 99).length, ledger.events("web1", 99).length];
    const warnings = await care({ job, ledger, now: now + days * day, ...options });
    const done = ledger.checks("web1", 99).toReversed().slice(checks);
    const said = ledger.events("web1", 99).toReversed().slice(events);
    return { warnings, checks: done.map(({ kind }) => kind), events: said.map(({ kind }) => kind) };
  };

  const good = { proof: async () => ({ outcome: "good" }) as const };
  const none = { warnings: [], checks: [], events: [] };

  it("in the first week nothing is checked, and what the first prune removed is not freed", async () => {
    const steps: string[] = [];
    const onStep = (text: string) => void steps.push(text);
    assert.deepEqual(await careAt(0, { ...good, onStep }), { ...none, events: ["prune"] });
    assert.ok(steps.some((text) => text.startsWith("removing archives")));
    assert.deepEqual(await careAt(0, good), none);
    const { code, stdout } = await borgpull(["check", "--all", "--if-due"]);
    assert.deepEqual([code, stdout], [0, "web1: no check is due.\n"]);
  });

  it("each check comes when it is due, and not before; then the room is freed, when the proof is good", async () => {
    assert.deepEqual(await careAt(6, good), { ...none, checks: ["archives"] }, "a week after the first run");
    const ended = { proof: async () => ({ outcome: "ended" }) as const };
    assert.deepEqual(await careAt(7, ended), none);
    assert.deepEqual(await careAt(7, good), { ...none, events: ["compact"] });
    assert.deepEqual(await careAt(7, good), none);
    assert.deepEqual((await careAt(13)).checks, ["repository", "archives"]);
  });

  it("a check that fails keeps the room from being freed that the prune before it would have", async () => {
    await backUp(job, now + 20 * day);
    flip(job, 0.3);
    const { warnings, checks, events } = await careAt(28);
    flip(job, 0.3);
    assert.deepEqual(checks, ["repository", "archives"]);
    assert.deepEqual(events, ["prune", "check"]);
    assert.match(warnings[0] ?? "", /^The check of the repository of .* failed: .*check web1 --repository/);
    assert.equal(warnings.length, 1);
  });
});

describe("cut off, or in each other's way", { timeout: 300_000 }, () => {
  let home: ReturnType<typeof makeHome>;
  let jobs: readonly JobFile[];

  before(async () => {
    home = makeHome();
    jobs = [await makeLocalJob(home.folder, "db1", {}), await makeLocalJob(home.folder, "web1", {})];
    for (const job of jobs) await backUp(job, ago(1), { files: 200 });
  });
  after(() => home?.[Symbol.dispose]());

  const outcomes = (job: string) => {
    using ledger = ledgerOf();
    return ledger.checks(job, 9).map(({ outcome }) => outcome);
  };

  it("by Ctrl-C: borg ends, it is on record as cut off, and neither a lock nor a failed check is left", async () => {
    const { child, pid, said } = await checkThatStops(["web1", "db1", "--repository"]);
    const closed = once(child, "close");
    child.kill("SIGINT");
    await waitFor("home to end its borg", () => hasPending(pid));
    process.kill(pid, "SIGCONT");
    assert.equal((await closed)[0], 2);
    assert.match(said(), /web1: cancelled/);
    assert.deepEqual([outcomes("web1")[0], outcomes("db1")], ["ended", []]);
    assert.equal(fs.existsSync(path.join((jobs[1] as JobFile).repository, "lock.exclusive")), false);
  });

  it("by kill -9 in its middle: it is on record as cut off, and the next one is good", async () => {
    const child = careJob("check", "db1", "stop");
    const parent = child.pid as number;
    const closed = once(child, "close");
    await waitFor("home to stop", () => stateOf(parent) === "T");
    child.kill("SIGKILL");
    await closed;
    const { code, stderr } = await borgpull(["check", "db1", "--repository"]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(outcomes("db1"), ["good", "ended"]);
  });

  it("one job that is being pulled keeps no other from its check, and that fails no check", async () => {
    using _lock = lockJob(homePaths().lock("db1"), "db1");
    const { code, stdout, stderr } = await borgpull(["check", "--all", "--archives"]);
    assert.equal(code, 2);
    assert.match(stderr, /^Job db1 is being worked on/);
    assert.equal(stdout, "web1: check of the archives good (1 archive)\n");
    assert.deepEqual(outcomes("db1"), ["good", "ended"]);
  });

  it("names, or all, and not both", async () => {
    for (const words of [["check"], ["check", "web1", "--all"]])
      assert.equal((await borgpull(words)).code, 64);
  });
});

/** `borgpull check`, and its borg stopped in its middle: it would end by itself soon. */
async function checkThatStops(words: readonly string[]): Promise<{
  readonly child: ChildProcess;
  readonly pid: number;
  readonly said: () => string;
}> {
  const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, "check", ...words], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const closed = once(child, "close");
  while (child.exitCode === null && child.signalCode === null) {
    const pid = borgOf(child.pid as number);
    if (pid !== undefined && isCheck(pid)) {
      try {
        process.kill(pid, "SIGSTOP");
      } catch {
        continue; // it has ended
      }
      await waitFor("borg to stop", () => stateOf(pid) !== "R" && stateOf(pid) !== "S");
      if (stateOf(pid) === "T") return { child, pid, said: () => stderr };
    }
    await setTimeout(2);
  }
  await closed;
  return checkThatStops(words); // it was faster
}

const isCheck = (pid: number) => {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("\0check\0");
  } catch {
    return false;
  }
};

/** Whether a signal waits for a process. */
const hasPending = (pid: number) =>
  !/^SigPnd:\s*0+$\n^ShdPnd:\s*0+$/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
