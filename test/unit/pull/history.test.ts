import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { asText } from "../../../cli/history.ts";
import { history } from "../../../pull/history.ts";
import { type Ledger, openLedger } from "../../../pull/ledger.ts";

let folder: string;
let ledger: Ledger;
let now: number;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-history-"));
  now = new Date(2026, 10, 22, 3, 0).getTime();
  ledger = openLedger(path.join(folder, "state.db"), () => now);
});

afterEach(() => {
  ledger[Symbol.dispose]();
  fs.rmSync(folder, { recursive: true });
});

const later = (minutes: number) => {
  now += minutes * 60_000;
};

function aLife(): void {
  ledger.begin("r1", "web1");
  later(2);
  const figures = { files: 12, originalBytes: 875_000, compressedBytes: 1, newBytes: 707, seconds: 2 };
  ledger.finish("r1", { outcome: "good", figures, warnings: [] });
  later(1);
  ledger.endCheck(ledger.beginCheck("web1", "archives"), "failed", { problem: "web1-a lacks a chunk." });
  ledger.note("web1", "check", "web1-a lacks a chunk.");
  later(1);
  ledger.note("web1", "restore", "web1-a to /tmp/x: good");
  ledger.note("db1", "restore", "another job's");
  later(1);
  ledger.begin("r2", "web1");
}

test("runs, checks and what people did are in one row, the youngest last, each once", () => {
  aLife();
  const entries = history(ledger, "web1", { limit: 9, running: true });
  assert.deepEqual(
    entries.map(({ what, outcome, text }) => [what, outcome, text]),
    [
      ["run", "good", "12 files, 875 kB read, 707 B new."],
      ["check archives", "failed", "web1-a lacks a chunk."],
      ["restore", undefined, "web1-a to /tmp/x: good"],
      ["run", "running", ""],
    ],
  );
});

test("of many the youngest are told", () => {
  aLife();
  const entries = history(ledger, "web1", { limit: 2, running: true });
  assert.deepEqual(
    entries.map(({ what }) => what),
    ["restore", "run"],
  );
});

test("a run without an end that nobody works on has died", () => {
  aLife();
  assert.equal(history(ledger, "web1", { limit: 1, running: false })[0]?.outcome, "abandoned");
});

test("a failed run says why, one with warnings which", () => {
  ledger.begin("r1", "web1");
  const failure = { kind: "unreachable", problem: "web1 does not answer.", remedy: "Look." } as const;
  ledger.finish("r1", { outcome: "failed", failure, warnings: ["a warning"] });
  assert.equal(
    history(ledger, "web1", { limit: 1, running: false })[0]?.text,
    "web1 does not answer. a warning.",
  );
});

test("on a terminal the texts stay in their column, and nothing in them acts on it", () => {
  aLife();
  ledger.note("web1", "attended", "\x1b[31m an archive with a long name ".repeat(4));
  const lines = stripVTControlCharacters(
    asText("web1", history(ledger, "web1", { limit: 9, running: true }), 90),
  ).split("\n");
  assert.equal(lines[0], "2026-11-22 03:00  run             good       12 files, 875 kB read, 707 B new.");
  assert.equal(lines[3], "2026-11-22 03:05  run             running");
  assert.match(lines[4] ?? "", /^2026-11-22 03:05 {2}attended {19} ?\[31m an/);
  assert.match(lines[5] ?? "", /^ {45}\S/);
  assert.ok(
    lines.every((line) => line.length <= 90),
    lines.join("\n"),
  );
});

test("a job that nothing was done with has a sentence", () => {
  assert.equal(
    asText("web1", history(ledger, "web1", { limit: 9, running: false })),
    "web1: nothing is on record.",
  );
});
