import assert from "node:assert/strict";
import { test } from "node:test";
import { openLedger, type RunRecord } from "../../../pull/ledger.ts";
import { fleet, jobNames, type NextRun } from "../../../pull/status.ts";
import { duration } from "../../../report/charts.ts";
import { reportHtml } from "../../../report/index.ts";
import { troublesOf } from "../../../report/troubles.ts";
import { homePaths } from "../../../schema/paths.ts";
import { day, hour, makeFleetHome, tellCheck, tellRun } from "../../fleet.ts";

const now = new Date(2026, 10, 23, 12).getTime();

/** The page of the home that the environment points at. */
function page(next: ReadonlyMap<string, NextRun> = new Map()): string {
  using ledger = openLedger(homePaths().stateDb);
  const members = fleet(jobNames(), ledger, now);
  return reportHtml({ home: "home", members, next, ledger, now });
}

test("runs with the same problem are one entry, the youngest first, and the list has an end", () => {
  const run = (ago: number, problem: string, remedy = "r"): RunRecord => ({
    run: `${ago}`,
    job: "web1",
    started: now - ago * day,
    outcome: "failed",
    failure: { kind: "borg-error", problem, remedy },
    warnings: [],
  });
  const { troubles, more } = troublesOf([
    run(9, "a"),
    run(8, "b"),
    { run: "7", job: "web1", started: now - 7 * day, outcome: "good", warnings: [] },
    run(2, "a"),
    { run: "1", job: "web1", started: now - day, outcome: "warning", warnings: ["w", "x"] },
  ]);
  assert.deepEqual(
    troubles.map(({ when, problem, badge }) => [when, problem, badge.look]),
    [
      ["2026-11-22 12:00", "w (and 1 more)", "warning"],
      ["2026-11-21 12:00, and 1 more since 2026-11-14 12:00", "a", "failed"],
      ["2026-11-15 12:00", "b", "failed"],
    ],
  );
  assert.equal(more, "");
  const many = troublesOf(Array.from({ length: 20 }, (_, index) => run(20 - index, `p${index}`)));
  assert.equal(many.troubles.length, 8);
  assert.equal(many.more, "And 12 other problems before these.");
});

test("durations have the unit that fits", () => {
  assert.deepEqual([4.25, 119, 600, 9000, 90_000].map(duration), [
    "4.3 s",
    "119 s",
    "10 min",
    "2.5 h",
    "25 h",
  ]);
});

test("whatever a VPS says is text in the page: escaped, cleaned, bounded", () => {
  using home = makeFleetHome();
  home.job("web1", { care: { checkArchives: 3600 } });
  const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'\u202e\u0007${"y".repeat(10_000)}`;
  const failure = { kind: "borg-error", problem: `problem ${evil}`, remedy: `remedy ${evil}` } as const;
  home.records((at) => {
    tellRun(at, "web1", now - 3 * day, { outcome: "good", repositoryBytes: 1e9 });
    tellRun(at, "web1", now - 2 * day, {
      outcome: "warning",
      warnings: [`warning ${evil}`],
      repositoryBytes: 2e9,
    });
    tellCheck(at, "web1", "archives", now - day, { outcome: "failed", problem: `check ${evil}` });
    tellRun(at, "web1", now - hour, {
      outcome: "tampered",
      failure,
      findings: [{ kind: "archive-appeared", name: `archive ${evil}`, id: "1" }],
    });
  });
  const html = page();
  for (const said of ["problem", "remedy", "warning", "check", "archive"]) {
    assert.ok(html.includes(`${said} &quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;`), said);
  }
  for (const never of ["<script", "<img", "\u202e", "\u0007"]) assert.ok(!html.includes(never), never);
  assert.ok(!html.includes("y".repeat(700)));
});

test("what else to look at is told beside what is wrong, the jobs of one advice together", () => {
  using home = makeFleetHome();
  for (const job of ["a", "b"]) home.job(job, { schedule: "daily" });
  home.records((at) => {
    for (const job of ["a", "b"]) tellRun(at, job, now - hour, { outcome: "good" });
  });
  const html = page(
    new Map<string, NextRun>([
      ["a", { kind: "off" }],
      ["b", { kind: "at", time: now + hour }],
    ]),
  );
  assert.match(html, /All 2 jobs are good/);
  assert.match(html, /#job-a">a<\/a> The timer of its schedule is off\. .*borgpull-a\.timer/);
  assert.match(html, /#job-a">a<\/a> <a href="#job-b">b<\/a> Key and passphrase .*export-key JOB/);
  assert.match(html, /Next run<\/span><strong>in 60 min<\/strong><span class="muted">of b</);
});

test("every run of half a year is in the calendar, however many there are a day", () => {
  using home = makeFleetHome();
  home.job("web1");
  home.records((at) => {
    tellRun(at, "web1", now - 150 * day, { outcome: "good" });
    for (let minute = 6000; minute > 0; minute--) {
      tellRun(at, "web1", now - minute * 60_000, { outcome: "good" });
    }
  });
  assert.match(page(), /Fri 26 Jun 2026: good/);
});

test("jobs with nothing on record, and no jobs at all, make a page", () => {
  using home = makeFleetHome();
  assert.match(page(), /No job is declared on this machine\./);
  home.job("web1");
  const html = page(new Map([["web1", { kind: "at", time: now + 5 * hour }]]));
  assert.match(html, /1 of 1 job needs a look\./);
  assert.match(html, /no backup yet/);
  assert.match(html, /in 5 h/);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
});
