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
  assert.deepEqual(ledger.lastGood("web1"), ledger.runs("web1", 9)[0]);
  assert.equal(ledger.lastGood("db1"), undefined);
});

test("the last good run is the youngest with an archive, not the youngest", () => {
  using at = folder();
  let now = 0;
  using ledger = openLedger(at.file, () => ++now);
  const endings = [
    good,
    { ...good, outcome: "warning" },
    { outcome: "failed", failure, warnings: [] },
  ] as const;
  for (const [index, ending] of endings.entries()) {
    ledger.begin(`run-000${index}`, "web1");
    ledger.finish(`run-000${index}`, ending);
  }
  assert.equal(ledger.lastGood("web1")?.run, "run-0001");
  assert.deepEqual(ledger.runs("web1", 1)[0]?.failure, failure);
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
