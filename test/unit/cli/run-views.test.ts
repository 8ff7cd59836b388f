import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { fit } from "../../../cli/fit.ts";
import type { End, RunEvent } from "../../../cli/run/event.ts";
import {
  annotationsView,
  escapeData,
  escapeProperty,
  groupedView,
  noCommand,
  summaryTable,
  summaryView,
} from "../../../cli/run/github.ts";
import { jsonView } from "../../../cli/run/json.ts";
import { liveLines } from "../../../cli/run/live.ts";
import { plainView, quietView } from "../../../cli/run/plain.ts";
import { viewFor } from "../../../cli/run/views.ts";
import type { Progress } from "../../../pull/progress.ts";
import type { RunResult } from "../../../pull/result.ts";

const run = "20261123t020000z-0123456789ab";
const good: RunResult = {
  run,
  outcome: "good",
  archive: { name: `web1-${run}`, id: "a".repeat(64) },
  figures: { files: 1203, originalBytes: 96e6, compressedBytes: 40e6, newBytes: 12e6, seconds: 4.25 },
  warnings: [],
};
const unreachable: RunResult = {
  run,
  outcome: "failed",
  failure: { kind: "unreachable", problem: "web1 cannot be reached: 50% down.", remedy: "Check, then mend." },
  warnings: [],
};
const ran = (result: RunResult): End => ({ kind: "ran", result });
const end = (job: string, result: RunResult): RunEvent => ({ type: "end", job, end: ran(result) });
const progress = (path: string): Progress => ({ files: 12, bytesRead: 2e6, bytesNew: 1e6, path, share: 0.5 });
const at = (job: string, path: string): RunEvent => ({ type: "progress", job, progress: progress(path) });

function recorder() {
  const lines: string[] = [];
  const to = (stream: string) => (line: string) => void lines.push(`${stream} ${line}`);
  return {
    lines,
    streams: { out: to("out"), err: to("err") },
    write: (line: string) => void lines.push(line),
  };
}

test("plain lines: the beginning, one line a minute of each job, and the end", () => {
  const { lines, streams } = recorder();
  let now = 0;
  using view = plainView(streams, () => now);
  view.show({ type: "start", job: "web1" });
  view.show({ type: "start", job: "db1" });
  for (now = 1000; now < 125_000; now += 1000) view.show(at("web1", `srv/${now}`));
  view.show(end("web1", good));
  view.show(end("db1", unreachable));
  assert.deepEqual(lines, [
    "err web1: pulling",
    "err db1: pulling",
    "err web1: pulling 50% 12 files 2.0 MB read 1.0 MB new /srv/60000",
    "err web1: pulling 50% 12 files 2.0 MB read 1.0 MB new /srv/120000",
    `out web1: good, 1,203 files, 96 MB read, 12 MB new, 4.3 s, archive web1-${run}`,
    "err db1: failed (unreachable). web1 cannot be reached: 50% down. Check, then mend.",
  ]);
});

test("plain lines: what a run waits for is told once, and again when it is something else", () => {
  const { lines, streams } = recorder();
  using view = plainView(streams, () => 0);
  const retry = (seconds: number, next: number): RunEvent => ({
    type: "pause",
    job: "web1",
    pause: { kind: "retry", host: "web1.example.com", seconds, next, tries: 3 },
  });
  for (const event of [retry(60, 2), retry(59, 2), retry(120, 3), retry(119, 3)]) view.show(event);
  const turn = (running: readonly string[]): RunEvent => ({
    type: "pause",
    job: "web1",
    pause: { kind: "turn", running },
  });
  for (const running of [[], ["db1", "mail1"]]) view.show(turn(running));
  assert.deepEqual(lines, [
    "err web1: web1.example.com cannot be reached; trying again in 60 s (2 of 3)",
    "err web1: web1.example.com cannot be reached; trying again in 120 s (3 of 3)",
    "err web1: waiting for another pull to end",
    "err web1: waiting for another pull to end (db1, mail1)",
  ]);
});

test("quiet: a good run says nothing, a failed one and one with warnings do", () => {
  const { lines, streams } = recorder();
  using view = quietView(streams);
  view.show({ type: "start", job: "web1" });
  view.show({ type: "note", job: "web1", text: "a hook's word" });
  view.show(end("web1", good));
  assert.equal(lines.length, 0);
  view.show(end("web1", { ...good, outcome: "warning", warnings: ["/srv/x: gone"] }));
  view.show(end("db1", unreachable));
  const [warning = "", which, failed = ""] = lines;
  assert.match(warning, /^err web1: warning, 1,203 files/);
  assert.equal(which, "err web1: /srv/x: gone");
  assert.match(failed, /^err db1: failed \(unreachable\)/);
  assert.equal(lines.length, 3);
});

test("JSON: each line is an object with type, job and time; an end has the run's result and its exit code", () => {
  const { lines, write } = recorder();
  using view = jsonView(write, { now: () => Date.UTC(2026, 10, 23) });
  view.show({ type: "start", job: "web1" });
  view.show(at("web1", "srv/\u202e##[add-mask]x"));
  view.show(at("web1", "a second one in the same second"));
  view.show({ type: "note", job: "web1", text: "hm" });
  view.show(end("web1", unreachable));
  const time = "2026-11-23T00:00:00.000Z";
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      { type: "start", job: "web1", time },
      { type: "progress", job: "web1", time, ...progress("srv/ ##[add-mask]x") },
      { type: "note", job: "web1", time, text: "hm" },
      { type: "end", job: "web1", time, code: 75, ...unreachable },
    ],
  );
  assert.ok(!lines.join().includes("##["), "a GitHub runner would take it for a command");
});

test("a live line is never longer than a row, nor are there more than rows", () => {
  const going = Array.from({ length: 30 }, (_, index) =>
    at(`job-${index}`, `srv/\x1b[31m${"漢字😀".repeat(50)}`),
  );
  const lines = liveLines(going as Parameters<typeof liveLines>[0], { columns: 60, rows: 10 });
  assert.equal(lines.length, 10);
  assert.equal(lines.at(-1), "and 21 more");
  for (const line of lines) assert.ok(line.length <= 60 && !line.includes("\x1b"), line);
});

test("jobs that wait for their turn share one live line", () => {
  const pause = { kind: "turn", running: ["web1"] } as const;
  const going = ["db1", "mail1"].map((job) => ({ type: "pause", job, pause }) as const);
  assert.deepEqual(liveLines([{ type: "start", job: "web1" }, ...going], { columns: 80, rows: 10 }), [
    "web1: pulling",
    "db1, mail1: waiting for another pull to end (web1)",
  ]);
});

test("a text is cut by the columns that it takes", () => {
  assert.equal(fit("12345", 5), "12345");
  assert.equal(fit("123456", 5), "1234…");
  assert.equal(fit("漢字漢", 5), "漢字…");
  assert.equal(fit("e\u0301e\u0301", 2), "e\u0301e\u0301");
});

test("GitHub's commands are escaped as its toolkit does", () => {
  assert.equal(escapeData("a%b\r\nc:d,e"), "a%25b%0D%0Ac:d,e");
  assert.equal(escapeProperty("a%b\r\nc:d,e"), "a%25b%0D%0Ac%3Ad%2Ce");
});

test("no text of a VPS is a command for the runner, in the log or within an annotation", () => {
  const { lines, write } = recorder();
  using log = groupedView(write);
  using annotations = annotationsView(write);
  const hostile = "::add-mask::x ##[add-path]/tmp %0A::set-env::";
  const failure = { kind: "borg-error", problem: `\n${hostile}`, remedy: "" } as const;
  for (const view of [log, annotations]) {
    view.show({ type: "note", job: "web1", text: hostile });
    view.show(end("web1", { ...unreachable, failure }));
  }
  const written = lines.join("\n").split("\n");
  const commands = written.filter((line) => /^\s*::/.test(line));
  assert.deepEqual(
    commands.map((line) => /^::(\w+)/.exec(line)?.[1]),
    ["group", "endgroup", "error"],
  );
  assert.deepEqual(
    written.filter((line) => line.includes("##[") && !line.startsWith("::error ")),
    [],
  );
  assert.match(
    commands[2] ?? "",
    /^::error title=borgpull%3A web1::failed \(borg-error\)\. %0A::add-mask.*%250A/,
  );
  assert.equal(noCommand("  ::stop-commands::x\n::y::"), "  : :stop-commands::x\n: :y::");
});

for (const shape of [
  { json: false, quiet: true },
  { json: true, quiet: false },
  { json: false, quiet: false },
]) {
  test(`nor is any where GitHub's runner reads along with ${JSON.stringify(shape)}`, async (t) => {
    const written: string[] = [];
    for (const stream of ["log", "error"] as const) {
      t.mock.method(console, stream, (line: string) => void written.push(...line.split("\n")));
    }
    using view = await viewFor(shape, { GITHUB_ACTIONS: "true" });
    const hostile = "##[add-path]/tmp\n::set-env::x";
    view.show({ type: "note", job: "web1", text: hostile });
    view.show(end("web1", { ...good, outcome: "warning", warnings: [hostile] }));
    const commands = written
      .filter((line) => /^\s*::|##\[/.test(line))
      .map((line) => /^::(\w+)/.exec(line)?.[1]);
    assert.deepEqual(
      commands.filter((name) => name !== "group" && name !== "endgroup"),
      ["warning"],
    );
  });
}

test("a run with warnings is annotated as that, a good one not at all", () => {
  const { lines, write } = recorder();
  using view = annotationsView(write);
  view.show(end("web1", good));
  view.show(end("web1", { ...good, outcome: "warning", warnings: ["/srv/x: gone"] }));
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^::warning title=borgpull%3A web1::warning, .*%0A\/srv\/x: gone$/);
});

test("the job summary is a table with a row a job, in which hostile text is only text", () => {
  const hostile = "|<img src=x onerror=alert(1)> [a](https://evil.example) `x` @root www.evil.example\n# h";
  const failure = { kind: "borg-error", problem: hostile, remedy: "" } as const;
  const table = summaryTable(
    new Map([
      ["web1", ran(good)],
      ["db1", ran({ ...unreachable, failure })],
    ]),
  );
  const [, , , rule, web1, db1] = table.split("\n");
  assert.equal(rule, `|${" --- |".repeat(7)}`);
  assert.equal(web1?.split("|").length, 9);
  assert.match(web1 ?? "", /^\| web1 \| good \| 1,203 \| 96 MB \| 12 MB \| 4&#46;3 s \| web1-/);
  assert.equal(db1?.split("|").length, 9);
  assert.doesNotMatch(db1 ?? "", /[<>[\]`@]|https:|www\./);
});

test("a job summary that cannot be written is told of, and nothing else", () => {
  const { lines, write } = recorder();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "summary-"));
  const view = summaryView(path.join(folder, "none/summary.md"), write);
  view.show(end("web1", good));
  view[Symbol.dispose]();
  fs.rmSync(folder, { recursive: true });
  assert.match(lines.join(), /The job summary could not be written: ENOENT/);
});
