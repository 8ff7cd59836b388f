/** What home does to a repository by itself, and when. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { complaintReader } from "../../../pull/borg/check-log.ts";
import { verdict } from "../../../pull/care/check.ts";
import { type ConfirmFacts, confirmable } from "../../../pull/care/confirm.ts";
import { type CareKind, type CareRecords, dueCare, removedSince } from "../../../pull/care/due.ts";
import type { ArchiveRecord, Breach, RunRecord } from "../../../pull/ledger.ts";

const day = 24 * 3600 * 1000;
const week = 7 * 24 * 3600;
const all = {
  prune: week,
  compact: week,
  checkRepository: week,
  checkArchives: week,
  checkData: week,
  proof: week,
};
const fresh: CareRecords = { since: 0, last: {}, removed: false };
const done = (kind: CareKind, time: number): CareRecords => ({ ...fresh, last: { [kind]: { done: time } } });

describe("what is due", () => {
  test("nothing without a period", () => {
    assert.deepEqual(dueCare({}, { ...fresh, removed: true }, 1000 * day), []);
  });

  test("each at its own pace, in an order in which nothing is freed before it was looked at", () => {
    assert.deepEqual(dueCare(all, fresh, 7 * day), ["prune", "repository", "archives", "data", "proof"]);
    const slower = { ...all, checkArchives: 2 * week, checkData: 4 * week };
    const pruned = { ...done("compact", 8 * day), removed: true };
    assert.deepEqual(dueCare(slower, pruned, 15 * day), [
      "prune",
      "repository",
      "archives",
      "proof",
      "compact",
    ]);
  });

  test("a check of borg's not before its period has passed since the first run; a prune and a proof at once", () => {
    assert.deepEqual(dueCare(all, fresh, 6 * day), ["prune", "proof"]);
  });

  for (const kind of ["prune", "repository", "archives", "data", "proof"] as const) {
    const isDue = (records: CareRecords, now: number) => dueCare(all, records, now).includes(kind);

    test(`${kind}: again when its period has passed since it was last done`, () => {
      assert.equal(isDue(done(kind, 100 * day), 107 * day - 1), false);
      assert.equal(isDue(done(kind, 100 * day), 107 * day), true);
    });

    test(`${kind}: a clock that was set back does not hold it up`, () => {
      assert.equal(isDue({ ...done(kind, 3000 * day), since: 2999 * day }, 100 * day), true);
    });
  }

  test("a check that was cut off is tried again after a quarter of its period, not after each run", () => {
    const tried = (time: number): CareRecords => ({ ...fresh, last: { repository: { tried: time } } });
    const only = { checkRepository: 4 * week };
    assert.deepEqual(dueCare(only, tried(100 * day), 106 * day), []);
    assert.deepEqual(dueCare(only, tried(100 * day), 107 * day), ["repository"]);
    assert.deepEqual(dueCare(only, tried(3000 * day), 107 * day), ["repository"]);
  });

  test("a compaction only after something was removed, or where a prune is due as well", () => {
    const only = { compact: week };
    assert.deepEqual(dueCare(only, fresh, 100 * day), []);
    const long = done("compact", 93 * day);
    assert.deepEqual(dueCare(only, long, 100 * day), []);
    assert.deepEqual(dueCare(only, { ...long, removed: true }, 100 * day), ["compact"]);
    assert.deepEqual(dueCare({ ...only, prune: week }, long, 100 * day), ["prune", "compact"]);
    assert.deepEqual(dueCare(only, { ...done("compact", 95 * day), removed: true }, 100 * day), []);
  });

  test("not with the first prune: what that removes can be brought back for a period", () => {
    assert.deepEqual(dueCare({ prune: week, compact: week }, fresh, 100 * day), ["prune"]);
  });

  test("what was removed is known by the order of the marks, whatever the clock said", () => {
    const after = (...why: ("begin" | "run" | "prune" | "compact")[]) =>
      removedSince(why.map((why) => ({ why })));
    assert.equal(after(), false);
    assert.equal(after("begin", "run", "run"), false);
    assert.equal(after("begin", "prune", "run"), true);
    assert.equal(after("prune", "compact", "run"), false);
    assert.equal(after("prune", "compact", "prune"), true);
  });
});

const id = (name: string) => name.padEnd(64, "0");
const archive = (name: string, trust: ArchiveRecord["trust"]): ArchiveRecord => ({
  id: id(name),
  name,
  run: `run-${name}`,
  trust,
  seen: 0,
});

describe("which unconfirmed archives may become good", () => {
  const run: RunRecord = {
    run: "run-a",
    job: "web1",
    started: 1,
    finished: 2,
    outcome: "tampered",
    warnings: [],
  };
  const breach = (
    kind: "objects-deleted" | "objects-overwritten" | "log-damaged",
    resolved = true,
  ): Breach => ({
    number: 1,
    job: "web1",
    repository: "r",
    found: 2,
    after: 1,
    upTo: 3,
    runs: ["run-a"],
    findings: [kind === "log-damaged" ? { kind, problem: "x" } : { kind, count: 1, examples: [] }],
    ...(resolved ? { resolved: { time: 3, by: "accept" as const } } : {}),
  });
  const facts: ConfirmFacts = {
    job: "web1",
    archives: [archive("a", "unconfirmed")],
    run: () => run,
    session: () => ({ reportedId: id("a") }),
    breaches: [breach("objects-deleted")],
    check: "archives",
  };
  const names = (change: Partial<ConfirmFacts> = {}) =>
    confirmable({ ...facts, ...change }).map(({ name }) => name);

  test("one of a run of ours that came to its end, after a person has accepted what was found", () => {
    assert.deepEqual(names(), ["a"]);
    assert.deepEqual(names({ session: () => ({}) }), ["a"]);
    assert.deepEqual(names({ breaches: [] }), ["a"]);
  });

  const refused: Readonly<Record<string, Partial<ConfirmFacts>>> = {
    "while a breach is open": { breaches: [breach("objects-deleted", false)] },
    "of a run that died": { run: () => ({ ...run, outcome: "abandoned" }) },
    "of a run that is not over": { run: () => ({ run: "run-a", job: "web1", started: 1, warnings: [] }) },
    "of no run on record": { run: () => undefined },
    "of another job's run": { run: () => ({ ...run, job: "db1" }) },
    "when its VPS named another archive": { session: () => ({ reportedId: id("b") }) },
    "that is gone": { archives: [{ ...archive("a", "unconfirmed"), gone: { why: "pruned", time: 2 } }] },
    "that is foreign": { archives: [archive("a", "foreign")] },
    "that was there before us": { archives: [archive("a", "before-us")] },
    "that an interrupted run left": { archives: [archive("a", "partial")] },
  };
  for (const [what, change] of Object.entries(refused)) {
    test(`none ${what}, even when all data was checked`, () => {
      assert.deepEqual(names({ ...change, check: "data" }), []);
    });
  }

  const doubtful: Readonly<Record<string, Partial<ConfirmFacts>>> = {
    "overwritten objects were accepted": { breaches: [breach("objects-overwritten")] },
    "a damaged log was accepted": { breaches: [breach("log-damaged"), breach("objects-deleted")] },
    "its session sent objects anew": { session: () => ({ reportedId: id("a"), ignoredPuts: 1 }) },
  };
  for (const [what, change] of Object.entries(doubtful)) {
    test(`once ${what}, only a check of all data will do`, () => {
      assert.deepEqual(names(change), []);
      assert.deepEqual(names({ ...change, check: "data" }), ["a"]);
    });
  }
});

describe("what borg's check says", () => {
  const log = (levelname: string, message: string) =>
    JSON.stringify({ type: "log_message", levelname, message });
  const read = (...lines: readonly string[]) => {
    const reader = complaintReader();
    for (const line of lines) reader.read(line);
    return { ...reader.findings(), any: reader.any, indexDiffers: reader.indexDiffers };
  };
  const missing =
    "a: etc/x: New missing file chunk detected (Byte 0-1, Chunk 00). Replacing with all-zero chunk.";

  test("each complaint is of the archive that borg is at, whatever that is called", () => {
    const { problem, archives, looked } = read(
      log("INFO", "Analyzing archive a (1/3)"),
      log("INFO", "Analyzing archive b (2/3) (9/9) (2/3)"),
      log("ERROR", missing),
      log("ERROR", "something else"),
      log("INFO", "b: Analyzing archive a (1/3): Completely healed previously damaged file!"),
      log("INFO", "Analyzing archive c\nAnalyzing archive a (3/3)"),
      log("ERROR", "item metadata chunk missing [chunk: 000000_00]"),
      log("ERROR", "3 orphaned objects found!"),
      log("ERROR", "Archive consistency check complete, problems found."),
    );
    assert.equal(problem, undefined);
    assert.equal(looked, 3);
    assert.deepEqual(
      archives.map(({ name }) => name),
      ["b (2/3) (9/9)", "c\nAnalyzing archive a"],
    );
    assert.equal(archives[0]?.problem, missing);
  });

  test("what it says before the first archive is of the repository", () => {
    const { problem } = read(
      log("ERROR", "Data integrity error: Segment entry checksum mismatch [segment 3, offset 8]"),
      log("ERROR", "Finished full repository check, errors found."),
    );
    assert.match(problem ?? "", /^Data integrity error: .*segment 3/);
  });

  test("objects that nothing uses, and warnings that it does not count, are no finding", () => {
    const { problem, archives, any } = read(
      log("WARNING", "Killed stale lock a.1-2."),
      log("INFO", "Analyzing archive a (1/1)"),
      log("WARNING", "a: etc/x: size inconsistency detected: size 1, chunks size 2"),
      log("ERROR", "2 orphaned objects found!"),
      log("ERROR", "Archive consistency check complete, problems found."),
    );
    assert.deepEqual([problem, archives, any], [undefined, [], true]);
  });

  test("an index that differs from the log is one, though borg 1.2 only warns", () => {
    const { problem, indexDiffers } = read(
      log("WARNING", `ID: ${"0".repeat(64)} rebuilt index: (3, 8)          committed index: (4, 8)`),
    );
    assert.match(problem ?? "", /^ID: 0+ rebuilt index/);
    assert.equal(indexDiffers, true);
  });
});

describe("the verdict over it", () => {
  const facts = {
    known: [archive("a", "good"), archive("b", "unconfirmed"), archive("c", "before-us")],
    bytes: 2e6,
  };
  const broken = (...names: string[]) => ({
    archives: names.map((name) => ({ name, problem: "New missing file chunk." })),
    looked: 3,
  });

  test("good, with what was looked at", () => {
    assert.deepEqual(verdict("repository", broken(), facts), {
      outcome: "good",
      detail: { summary: "2.0 MB" },
    });
    assert.deepEqual(verdict("data", broken(), facts).detail, { summary: "2.0 MB, 3 archives" });
  });

  for (const name of ["a", "c", "unheard-of"]) {
    test(`failed when an archive that somebody relies on is not whole: ${name}`, () => {
      const { outcome, detail } = verdict("archives", broken("b", name), facts);
      assert.equal(outcome, "failed");
      assert.equal(detail.problem, `1 of 3 archives not whole (${name}); borg says: New missing file chunk.`);
    });
  }

  test("good when only one is not whole that does not count as good anyway; and says so", () => {
    assert.deepEqual(verdict("archives", broken("b"), facts), {
      outcome: "good",
      detail: { summary: "3 archives, 1 not whole, which do not count as good" },
    });
  });

  test("names that act on a terminal do not, and many are few", () => {
    const names = ["\x1b[2Jx", "y", "z", "w", "v"];
    const { problem } = verdict("archives", broken(...names), facts).detail;
    assert.equal(problem, "5 of 3 archives not whole ([2Jx, y, z, ...); borg says: New missing file chunk.");
  });
});
