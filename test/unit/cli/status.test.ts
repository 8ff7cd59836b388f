import assert from "node:assert/strict";
import { test } from "node:test";
import { nagiosUnknown, nagiosVerdict } from "../../../cli/status/nagios.ts";
import { statusTable } from "../../../cli/status/table.ts";
import { openLedger } from "../../../pull/ledger.ts";
import { fleet, jobNames, type NextRun } from "../../../pull/status.ts";
import { homePaths } from "../../../schema/paths.ts";
import { hour, makeFleet, makeFleetHome, tellRun } from "../../fleet.ts";

const now = new Date(2026, 10, 23, 12).getTime();
const next: ReadonlyMap<string, NextRun> = new Map<string, NextRun>([
  ["db1", { kind: "at", time: now + 15 * hour }],
  ["files", { kind: "off" }],
  ["mail", { kind: "none" }],
]);

function sixJobs() {
  using _home = makeFleet(now);
  using ledger = openLedger(homePaths().stateDb);
  return { members: fleet(jobNames(), ledger, now), next, now };
}
const status = sixJobs();

test("the table has a line a job in 80 columns, and the next run as its timer says", () => {
  const lines = statusTable(status, 80).split("\n");
  assert.ok(
    lines.every((line) => line.length <= 80),
    lines.join("\n"),
  );
  const cell = (job: string) => lines.find((line) => line.startsWith(job)) ?? "";
  assert.match(lines[0] ?? "", /check +proof$/);
  assert.match(cell("db1"), /in 15 h/);
  assert.match(cell("files"), /5 d \/ 36 h!.* off! /);
  assert.match(
    lines.join(" "),
    /files: The timer of its schedule is off\. .*enable\s+--now\s+borgpull-files\.timer/,
  );
  assert.match(cell("mail"), / GB +\+[\d.]+ [GM]B +- /);
  assert.match(cell("web1"), / \? /);
});

test("what to do is told of the worst first", () => {
  const text = statusTable(status, 200);
  const order = [
    "mail: Its",
    "web1: web1",
    "files: The last",
    "shop: The dump",
    "files: The timer",
    "shop: Key",
  ];
  const found = order.map((start) => text.indexOf(`\n${start}`));
  assert.ok(!found.includes(-1), `${found}`);
  assert.deepEqual(
    found.toSorted((a, b) => a - b),
    found,
  );
});

test("a narrow terminal loses columns and no job's name or state", () => {
  for (const width of [20, 40, 60]) {
    const lines = statusTable(status, width).split("\n");
    assert.match(lines[0] ?? "", /^job +state +age \/ limit/);
    assert.doesNotMatch(lines[0] ?? "", /per week/);
    assert.match(lines[3] ?? "", /^mail +tampered/);
  }
  assert.ok(
    statusTable(status, 60)
      .split("\n", 7)
      .every((line) => line.length <= 60),
  );
});

test("the same advice for several jobs is given once", () => {
  using home = makeFleetHome();
  for (const job of ["a", "b"]) home.job(job);
  home.records((at) => {
    for (const job of ["a", "b"]) tellRun(at, job, now - hour, { outcome: "good" });
  });
  using ledger = openLedger(homePaths().stateDb);
  const text = statusTable({ members: fleet(jobNames(), ledger, now), next, now }, 200);
  assert.match(
    text,
    /\n\na, b: Key and passphrase .* "borgpull\s+export-key\s+JOB\s+--with-passphrase\s+--paper"\.$/,
  );
});

test("a Nagios line has one bar, no line break and a bounded text, whatever a VPS says", () => {
  using home = makeFleetHome();
  home.job("web1");
  const problem = `it's | bad\n'x'=1\u001b[2J${"y".repeat(10_000)}`;
  home.records((at) =>
    tellRun(at, "web1", now - hour, {
      outcome: "failed",
      failure: { kind: "borg-error", problem, remedy: "r" },
    }),
  );
  using ledger = openLedger(homePaths().stateDb);
  const { line, code } = nagiosVerdict({ members: fleet(["web1"], ledger, now), next, now });
  assert.equal(code, 2);
  assert.equal(line.match(/\|/g)?.length, 1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  assert.doesNotMatch(line, /[\x00-\x1f]/);
  assert.ok(line.length < 500);
  assert.equal(nagiosUnknown("a | b").line, "BORGPULL UNKNOWN - a / b");
});
