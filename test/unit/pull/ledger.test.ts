import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openLedger } from "../../../pull/ledger.ts";

const archive = { id: "ab".repeat(32), name: "web1-run-0001" };
const figures = { files: 1, originalBytes: 2, compressedBytes: 2, newBytes: 1, seconds: 1 };
const good = { outcome: "good", archive, figures, warnings: ["w"] } as const;
const failure = { kind: "stalled", problem: "p.", remedy: "r." } as const;

function folder(): { readonly file: string } & Disposable {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ledger-"));
  return {
    file: path.join(dir, "sub/state.db"),
    [Symbol.dispose]: () => fs.rmSync(dir, { recursive: true }),
  };
}

test("a run is open until it is finished, then all of it is there again", () => {
  using at = folder();
  using ledger = openLedger(at.file, () => 1000);
  ledger.begin("run-0001", "web1");
  assert.deepEqual(ledger.runs("web1", 9), [{ run: "run-0001", job: "web1", started: 1000, warnings: [] }]);
  ledger.finish("run-0001", good);
  assert.deepEqual(ledger.runs("web1", 9), [
    { run: "run-0001", job: "web1", started: 1000, finished: 1000, ...good },
  ]);
  assert.deepEqual(ledger.run("run-0001"), ledger.runs("web1", 9)[0]);
});

test("the last good run is the youngest whose archive a gate found good, and that is still there", () => {
  using at = folder();
  let now = 0;
  using ledger = openLedger(at.file, () => ++now);
  const id = (index: number) => `${index}`.repeat(64);
  for (const [index, trust] of (["good", "good", "unconfirmed"] as const).entries()) {
    const run = `run-000${index}`;
    ledger.begin(run, "web1");
    ledger.finish(run, { outcome: "failed", failure, warnings: [] });
    ledger.addArchive("repository", { id: id(index), name: `web1-${run}`, run, trust });
  }
  assert.deepEqual(ledger.lastGood("web1")?.archive, { id: id(1), name: "web1-run-0001" });
  ledger.setGone("repository", id(1), "vanished");
  assert.equal(ledger.lastGood("web1")?.run, "run-0000");
  ledger.setGone("repository", id(1), undefined);
  assert.equal(ledger.lastGood("web1")?.run, "run-0001");
  assert.equal(ledger.lastGood("db1"), undefined);
});

test("runs that no gate has looked at are known until one has", () => {
  using at = folder();
  using ledger = openLedger(at.file);
  for (const run of ["run-0001", "run-0002"]) ledger.begin(run, "web1");
  assert.deepEqual(ledger.ungated("web1"), ["run-0001", "run-0002"]);
  ledger.setGated(["run-0001"]);
  assert.deepEqual(ledger.ungated("web1"), ["run-0002"]);
});

test("a breach is open until a person decides, an operation until it ends; marks and events stay", () => {
  using at = folder();
  using ledger = openLedger(at.file, () => 1000);
  const findings = [{ kind: "objects-deleted", count: 3, examples: ["ab"] }] as const;
  const breach = { job: "web1", repository: "r", after: 4, upTo: 9, runs: ["run-0001"], findings };
  ledger.addBreach(breach);
  assert.deepEqual(ledger.openBreaches("web1"), [{ ...breach, number: 1, found: 1000 }]);
  ledger.resolveBreaches("web1", "accept");
  assert.deepEqual(ledger.openBreaches("web1"), []);
  assert.deepEqual(ledger.breaches("web1")[0]?.resolved, { time: 1000, by: "accept" });

  const number = ledger.beginOperation("web1", { kind: "prune", archives: [archive] });
  assert.deepEqual(ledger.openOperations("web1"), [
    { kind: "prune", archives: [archive], number, started: 1000 },
  ]);
  assert.equal(ledger.lastDone("web1", "prune"), undefined);
  ledger.endOperation(number, "done");
  assert.deepEqual(ledger.openOperations("web1"), []);
  assert.equal(ledger.lastDone("web1", "prune"), 1000);

  ledger.setMark("r", { segment: 4, config: "c", why: "begin" });
  ledger.setMark("r", { segment: 9, config: "c", why: "run", run: "run-0001" });
  assert.deepEqual(ledger.mark("r"), { segment: 9, config: "c", why: "run", run: "run-0001", time: 1000 });
  assert.equal(ledger.marks("r").length, 2);
  ledger.note("web1", "note", "x");
  assert.deepEqual(ledger.events("web1", 9), [{ time: 1000, kind: "note", text: "x" }]);
});

test("what is recorded atomically is recorded whole or not at all", () => {
  using at = folder();
  using ledger = openLedger(at.file);
  const work = () => {
    ledger.begin("run-0001", "web1");
    ledger.note("web1", "note", "x");
    throw new Error("died here");
  };
  assert.throws(() => ledger.atomically(work), /died here/);
  assert.deepEqual([ledger.runs("web1", 9), ledger.events("web1", 9)], [[], []]);
});

test("the records of the first version are taken over, their runs as looked at", () => {
  using at = folder();
  fs.mkdirSync(path.dirname(at.file));
  const database = new DatabaseSync(at.file);
  database.exec(`CREATE TABLE runs (run TEXT PRIMARY KEY, job TEXT NOT NULL, started INTEGER NOT NULL, finished INTEGER,
      outcome TEXT CHECK (outcome IN ('good', 'warning', 'failed', 'abandoned')), archive_id TEXT, archive_name TEXT,
      figures TEXT, failure_kind TEXT, failure_problem TEXT, failure_remedy TEXT, warnings TEXT NOT NULL DEFAULT '[]',
      CHECK ((outcome IS NULL) = (finished IS NULL))) STRICT;
    CREATE INDEX runs_of_job ON runs (job, started);
    INSERT INTO runs (run, job, started, finished, outcome) VALUES ('run-0001', 'web1', 1, 2, 'good');
    INSERT INTO runs (run, job, started) VALUES ('run-0002', 'web1', 3);
    PRAGMA user_version = 1`);
  database.close();
  using ledger = openLedger(at.file);
  assert.deepEqual(
    ledger.runs("web1", 9).map(({ run, outcome }) => [run, outcome]),
    [
      ["run-0002", undefined],
      ["run-0001", "good"],
    ],
  );
  assert.deepEqual(ledger.ungated("web1"), ["run-0002"]);
});

test("a reader waits for no writer", () => {
  using at = folder();
  using writer = openLedger(at.file);
  writer.atomically(() => {
    writer.begin("run-0001", "web1");
    const began = performance.now();
    using reader = openLedger(at.file);
    assert.deepEqual(reader.runs("web1", 9), []);
    assert.ok(performance.now() - began < 5000, "it waited for the writer");
  });
});

test("records that are damaged are named, with what to do, and not touched", () => {
  using at = folder();
  openLedger(at.file)[Symbol.dispose]();
  const garbage = Buffer.alloc(8192, "not a database ");
  fs.writeFileSync(at.file, garbage);
  for (const suffix of ["-wal", "-shm"]) fs.rmSync(`${at.file}${suffix}`, { force: true });
  assert.throws(() => openLedger(at.file), /own records, is damaged.*mv .*state\.db/);
  assert.deepEqual(fs.readFileSync(at.file), garbage);
});

test("a run that was open when its process died is abandoned when the job's next begins, and no other job's", () => {
  using at = folder();
  {
    using dead = openLedger(at.file);
    dead.begin("run-0001", "web1");
    dead.begin("run-0002", "db1");
  }
  using ledger = openLedger(at.file);
  ledger.begin("run-0003", "web1");
  assert.deepEqual(
    ledger
      .runs("web1", 9)
      .map(({ run, outcome }) => [run, outcome])
      .sort(),
    [
      ["run-0001", "abandoned"],
      ["run-0003", undefined],
    ],
  );
  assert.equal(ledger.runs("db1", 9)[0]?.outcome, undefined);
});

test("a run cannot be finished twice, nor unless it was begun", () => {
  using at = folder();
  using ledger = openLedger(at.file);
  ledger.begin("run-0001", "web1");
  ledger.finish("run-0001", good);
  assert.throws(() => ledger.finish("run-0001", good), /not open/);
  assert.throws(() => ledger.finish("run-0002", good), /not open/);
});

test("a ledger of a newer borgpull is refused, untouched", () => {
  using at = folder();
  openLedger(at.file)[Symbol.dispose]();
  {
    const database = new DatabaseSync(at.file);
    database.exec("PRAGMA user_version = 99");
    database.close();
  }
  assert.throws(() => openLedger(at.file), /newer borgpull/);
});

test("only its owner may read it", () => {
  using at = folder();
  openLedger(at.file)[Symbol.dispose]();
  assert.equal(fs.statSync(at.file).mode & 0o777, 0o600);
});

test("a check that died is ended, and the last verdict stands", () => {
  using at = folder();
  let now = 0;
  using ledger = openLedger(at.file, () => ++now);
  ledger.endCheck(ledger.beginCheck("web1", "data"), "failed", { problem: "p" });
  ledger.beginCheck("web1", "data");
  ledger.beginCheck("db1", "data");
  ledger.beginCheck("web1", "data");
  assert.deepEqual(
    ledger.checks("web1", 9).map(({ outcome }) => outcome),
    ["ended", "failed"],
  );
  assert.deepEqual(ledger.lastCheck("web1", "data"), {
    kind: "data",
    started: 2,
    finished: 3,
    outcome: "failed",
    detail: { problem: "p" },
  });
  assert.equal(ledger.lastCheck("web1", "proof"), undefined);
});

test("what a channel was told last is known of each job and channel", () => {
  using at = folder();
  using ledger = openLedger(at.file, () => 5);
  for (const state of ["failed", "good"]) ledger.setNoticed("web1", "phone", state);
  assert.deepEqual(ledger.noticed("web1", "phone"), { state: "good", time: 5 });
  assert.equal(ledger.noticed("web1", "mail"), undefined);
});
