import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ArchiveRecord, Breach, Mark } from "../../../pull/ledger.ts";
import { planRollback, type RollbackFacts } from "../../../pull/rollback/plan.ts";
import { describeRollback } from "../../../pull/rollback/preview.ts";
import { UserError } from "../../../schema/errors.ts";

const mark = (time: number, segment: number, rest: Partial<Mark> = {}): Mark => ({
  time,
  segment,
  config: "right",
  why: "run",
  run: `run-${time}`,
  ...rest,
});
const archive = (time: number, rest: Partial<ArchiveRecord> = {}): ArchiveRecord => ({
  id: String(time),
  name: `web1-run-${time}`,
  run: `run-${time}`,
  trust: "good",
  seen: time,
  ...rest,
});
const breach = (found: number, after: number, findings: Breach["findings"]): Breach => ({
  number: 1,
  job: "web1",
  repository: "r",
  found,
  after,
  upTo: after + 10,
  runs: [`run-${found}`],
  findings,
});
const vanished = (time: number) =>
  ({ kind: "archive-vanished", id: String(time), name: `web1-run-${time}` }) as const;
const segments = (...numbers: readonly number[]) =>
  numbers.map((segment) => ({ segment, file: `data/0/${segment}`, bytes: 1000 }));

/** Runs 100 and 200 were good, 300 took away the archive of 100, 400 was good again. */
const attacked: RollbackFacts = {
  job: "web1",
  marks: [
    mark(50, 1, { why: "begin", run: undefined as never }),
    mark(100, 10),
    mark(200, 20),
    mark(300, 30),
    mark(400, 40),
  ],
  breaches: [breach(300, 20, [vanished(100)])],
  archives: [
    archive(100, { gone: { why: "vanished", time: 300 } }),
    archive(200),
    archive(300, { trust: "unconfirmed" }),
    archive(400),
  ],
  segments: segments(1, 9, 10, 20, 25, 30, 40, 41),
  last: 40,
  config: { present: "right", copy: "right" },
};
const ids = (archives: readonly ArchiveRecord[]) => archives.map(({ id }) => Number(id));

function refused(facts: Partial<RollbackFacts>, pattern: RegExp): void {
  assert.throws(
    () => planRollback({ ...attacked, ...facts }),
    (error) => error instanceof UserError && pattern.test(error.message),
  );
}

suite("a rollback", () => {
  test("goes to the last state before the oldest breach, whatever came after it", () => {
    const plan = planRollback(attacked);
    assert.equal(plan.segment, 20);
    assert.equal(plan.mark?.run, "run-200");
    assert.deepEqual(ids(plan.back), [100]);
    assert.deepEqual(ids(plan.leave), [300, 400]);
    assert.deepEqual(
      plan.moves.map(({ segment }) => segment),
      [25, 30, 40, 41],
    );
    assert.equal(plan.staysBytes, 4000);
    assert.equal(plan.config, "as it is");
  });

  test("goes to an older run on request, and takes what that knows nothing of", () => {
    const plan = planRollback({ ...attacked, to: "run-100" });
    assert.equal(plan.segment, 10);
    assert.deepEqual(ids(plan.back), [100]);
    assert.deepEqual(ids(plan.leave), [200, 300, 400]);
  });

  test("brings back what home itself has pruned since that state", () => {
    const archives = [archive(100, { gone: { why: "pruned", time: 250 } }), archive(200)];
    const marks = [mark(100, 10), mark(200, 20), mark(250, 25, { why: "prune" }), mark(300, 30)];
    assert.deepEqual(ids(planRollback({ ...attacked, archives, marks }).back), [100]);
    const later = planRollback({
      ...attacked,
      archives,
      marks,
      breaches: [breach(300, 25, [vanished(200)])],
    });
    assert.deepEqual(ids(later.back), []);
    assert.equal(later.segment, 25);
  });

  for (const findings of [
    [{ kind: "config-changed" }],
    [{ kind: "forbidden-request", method: "destroy", reason: "no backup asks for it" }],
  ] as const) {
    test(`leaves the log alone when nothing but ${findings[0].kind} was found`, () => {
      const plan = planRollback({
        ...attacked,
        breaches: [breach(300, 20, findings)],
        config: { present: "wrong", copy: "right" },
      });
      assert.equal(plan.mark, undefined);
      assert.deepEqual([plan.segment, plan.config], [40, "put back"]);
      assert.deepEqual([ids(plan.back), ids(plan.leave)], [[], []]);
    });
  }

  test("puts the config back together with the log", () => {
    const breaches = [breach(300, 20, [{ kind: "config-changed" }, vanished(100)])];
    const config = { present: undefined, copy: "right" };
    const plan = planRollback({ ...attacked, breaches, config });
    assert.deepEqual([plan.segment, plan.config], [20, "put back"]);
  });
});

suite("refused is a rollback", () => {
  test("without a breach and without a run", () =>
    refused({ breaches: [] }, /waits for a decision.*--to RUN/));
  test("to a run of which nothing is known", () =>
    refused(
      { to: "run-999" },
      /No state .* after a run run-999\. The oldest run .* is run-100 \(.*, the youngest run-200/,
    ));
  test("to the run in which the breach was found, or to a later one", () => {
    refused({ to: "run-300" }, /with or after what was found/);
    refused({ to: "run-400" }, /with or after what was found/);
  });
  test("to what was compacted since: the oldest possible is named", () => {
    const marks = [mark(100, 10), mark(150, 15, { why: "compact" }), mark(200, 20), mark(300, 30)];
    refused({ marks, to: "run-100" }, /compacted .*The oldest run .* is run-200 \([^,]*\)\./);
  });
  test("to what was itself rolled back, though its segments' numbers are there again", () => {
    const marks = [mark(100, 10), mark(200, 20), mark(300, 10, { why: "rollback" }), mark(400, 22)];
    refused({ marks, breaches: [], to: "run-200" }, /rolled back since/);
    assert.equal(planRollback({ ...attacked, marks, breaches: [], to: "run-100" }).segment, 10);
  });
  test("to a state whose segments are gone", () => {
    refused({ segments: segments(1, 10, 30) }, /segment 20.* no longer in the repository.*run-100/);
    refused({ segments: [] }, /There is no other state.*borgpull accept web1/);
  });
  test("to the state in which the repository is", () =>
    refused({ breaches: [], to: "run-400" }, /in the state after run run-400 already/));
  test("of a changed config of which home has no copy", () =>
    refused({ config: { present: "wrong", copy: undefined } }, /no copy of what it was/));
});

test("the preview names the state, what comes back, what goes and what is moved where, and nothing in it acts on a terminal", () => {
  const hostile = { kind: "archive-appeared", id: "x", name: "evil\u001b[2J\nname\u202e" } as const;
  const facts = { ...attacked, breaches: [breach(300, 20, [vanished(100), hostile])] };
  const text = describeRollback(planRollback({ ...facts, config: { present: "wrong", copy: "right" } }), {
    job: "web1",
    host: "web1.example.com",
    runs: new Map(),
    aside: "/srv/web1/aside",
    copy: "/etc/copy",
  });
  for (const part of [
    /archive evil \[2J name has appeared/,
    /back to its state after run run-200/,
    /1 archive comes back:\n {2}\S+ \S+ {2}good {9}web1-run-100/,
    /2 archives go:\n {2}.*unconfirmed {2}web1-run-300\n {2}.*good/,
    /to\n {2}\/srv\/web1\/aside:\n {2}segments 25 to 41 \(4 files, 4\.0 kB\)\n {2}borg's index\n {2}the changed config\n/,
    /put back from\n {2}\/etc\/copy/,
    /reads 4\.0 kB/,
    /cache on web1\.example\.com is removed/,
  ]) {
    assert.match(text, part);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
});
