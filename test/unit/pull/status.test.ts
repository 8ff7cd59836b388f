import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckRecord, RunRecord } from "../../../pull/ledger.ts";
import { type JobRecords, standing, states } from "../../../pull/status.ts";
import type { JobFile } from "../../../schema/job-file.ts";
import { jobData } from "../../job-file.ts";

const hour = 3_600_000;
const day = 24 * hour;
const now = new Date(2026, 10, 23, 12).getTime();
const hostile = `evil\u001b[2J\u202e\n${"y".repeat(10_000)}`;

const job = (more: Partial<JobFile> = {}): JobFile =>
  jobData({ repository: "/srv/web1", passphraseFile: "/p", staleAfterSeconds: 36 * 3600, ...more });

const run = (ago: number, more: Partial<RunRecord> = {}): RunRecord => ({
  run: `run-${ago / hour}`,
  job: "web1",
  started: now - ago - 60_000,
  finished: now - ago,
  outcome: "good",
  warnings: [],
  ...more,
});
const good = run(8 * hour);

const records = (more: Partial<JobRecords> = {}): JobRecords => ({
  runs: [good],
  sizes: [],
  lastGood: good,
  openBreaches: [],
  checks: {},
  held: false,
  keyCopy: "done",
  keyExported: now - day,
  knownSince: now - 100 * day,
  ...more,
});

const check = (ago: number, outcome: "good" | "failed", problem?: string): CheckRecord => ({
  kind: "archives",
  started: now - ago - hour,
  finished: now - ago,
  outcome,
  detail: problem ? { problem } : {},
});
const failure = { kind: "unreachable", problem: "web1 cannot be reached.", remedy: "Start it." } as const;
const breach = {
  number: 1,
  job: "web1",
  repository: "r",
  found: now - day,
  after: 1,
  upTo: 2,
  runs: [],
  findings: [{ kind: "manifest-deleted" }],
} as const;

const stateOf = (given: JobRecords, file = job()) => standing(file, given, now).state;

test("a job whose last run was good, and not long ago, is good", () => {
  const { state, problem, lastGood, stale, advice } = standing(job(), records(), now);
  assert.deepEqual([state, problem, stale, advice], ["good", undefined, false, []]);
  assert.equal(lastGood?.ageSeconds, 8 * 3600);
});

test("a failed run is told with its remedy, whatever good one there is from before", () => {
  const runs = [run(hour, { outcome: "failed", failure }), good];
  const { state, problem, remedy, lastGood } = standing(job(), records({ runs }), now);
  assert.deepEqual([state, problem, remedy], ["failed", failure.problem, failure.remedy]);
  assert.equal(lastGood?.run, good.run);
});

test("a last good backup is stale one second after the limit, and not before", () => {
  const at = (ageSeconds: number) => {
    const old = run(ageSeconds * 1000);
    return stateOf(records({ runs: [old], lastGood: old }));
  };
  assert.equal(at(36 * 3600), "good");
  assert.equal(at(36 * 3600 + 1), "stale");
});

test("a job that home has just come to know was never backed up; when nothing comes in time it is stale", () => {
  const { lastGood: _, ...none } = records({ runs: [] });
  assert.equal(stateOf({ ...none, knownSince: now - hour }), "never");
  assert.equal(stateOf({ ...none, knownSince: now - 37 * hour }), "stale");
});

test("a finding of tampering outranks everything until a person has decided", () => {
  const runs = [run(hour, { outcome: "failed", failure })];
  const { state, remedy } = standing(job(), records({ runs, openBreaches: [breach] }), now);
  assert.equal(state, "tampered");
  assert.match(remedy ?? "", /borgpull rollback web1.*borgpull accept web1/);
  // decided: the run's outcome stays on record, and is no alarm any more
  assert.equal(stateOf(records({ runs: [run(hour, { outcome: "tampered" }), good] })), "good");
});

test("a run that is open is under way while somebody holds the job's lock, and has died when nobody does", () => {
  const { finished: _, outcome: _outcome, ...open } = run(hour);
  const running = standing(job(), records({ runs: [open, good], held: true }), now);
  assert.deepEqual([running.state, running.running?.run, running.lastRun?.run], ["good", open.run, good.run]);
  const died = standing(job(), records({ runs: [open, good] }), now);
  assert.deepEqual([died.state, died.running, died.lastRun?.outcome], ["failed", undefined, "abandoned"]);
  assert.match(died.problem ?? "", /came to no end/);
});

test("warnings of the last run are told by the first of them and their number", () => {
  const runs = [run(hour, { outcome: "warning", warnings: ["one", "two", "three"] })];
  const { state, problem } = standing(job(), records({ runs }), now);
  assert.deepEqual([state, problem], ["warning", "one. And 2 more."]);
});

test("a check that failed is a failure until one of its kind is good", () => {
  const bad = records({ checks: { archives: check(day, "failed", "2 chunks are missing") } });
  const { state, problem, remedy } = standing(job(), bad, now);
  assert.deepEqual([state, problem], ["failed", "The check of the archives failed: 2 chunks are missing."]);
  assert.match(remedy ?? "", /borgpull check web1 --archives/);
  assert.equal(stateOf(records({ checks: { archives: check(hour, "good") } })), "good");
});

test("a check is overdue by half of its period, one never made since home knows of the job; it is advice and no state", () => {
  const care = { checkArchives: 28 * 86_400, proof: 7 * 86_400 };
  const known = records({ checks: { archives: check(41 * day, "good") }, knownSince: now - 10 * day });
  const { state, checks, advice } = standing(job({ care }), known, now);
  assert.deepEqual(
    [checks.archives.overdue, checks.proof.overdue, checks.data.overdue],
    [false, false, false],
  );
  assert.deepEqual([state, advice], ["good", []]);
  const later = standing(job({ care }), known, now + 2 * day);
  assert.deepEqual([later.checks.archives.overdue, later.checks.proof.overdue], [true, true]);
  assert.deepEqual(later.advice, [
    { kind: "overdue", problem: "Overdue: check of the archives, restore proof." },
  ]);
});

test("a key that was never exported is advised, once there is something that it opens; one that has changed is too", () => {
  const problems = (more: Partial<JobRecords>) =>
    standing(job(), records(more), now).advice.map(({ kind, problem }) => `${kind}: ${problem}`);
  assert.deepEqual(problems({ keyCopy: "never" }), ["key: Key and passphrase are on this machine alone."]);
  assert.deepEqual(problems({ keyCopy: "changed" }), [
    "key: The key has changed since it was copied elsewhere.",
  ]);
  const { lastGood: _good, ...empty } = records({ runs: [], keyCopy: "never", knownSince: now });
  assert.deepEqual(standing(job(), empty, now).advice, []);
});

test("a run that is yet to come, by its time, is told", () => {
  const { state, advice } = standing(job(), records({ ahead: run(-2 * day) }), now);
  assert.equal(state, "good");
  assert.match(advice[0]?.problem ?? "", /^A run is on record for 2026-11-25 11:59, which is yet to come/);
});

test("what a VPS says is cleaned and bounded in a standing", () => {
  const said: readonly Partial<JobRecords>[] = [
    {
      runs: [
        run(hour, { outcome: "failed", failure: { kind: "borg-error", problem: hostile, remedy: hostile } }),
      ],
    },
    { runs: [run(hour, { outcome: "warning", warnings: [hostile] })] },
    { checks: { proof: check(hour, "failed", hostile) } },
    { openBreaches: [{ ...breach, findings: [{ kind: "archive-appeared", name: hostile, id: "1" }] }] },
  ];
  for (const each of said) {
    const { problem = "", remedy = "" } = standing(job(), records(each), now);
    assert.match(problem, /evil/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    assert.doesNotMatch(problem + remedy, /[\x00-\x1f\u202e]/);
    assert.ok(problem.length < 1000 && remedy.length < 1000, `${problem.length} ${remedy.length}`);
  }
});

test("the states are in order, the worst first", () => {
  assert.deepEqual(states, ["tampered", "failed", "stale", "never", "warning", "good"]);
});
