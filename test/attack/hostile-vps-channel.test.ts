/** What a hostile VPS sends beside borg's requests: bounded in time and memory, and harmless to whoever reads it. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { probe } from "../../pull/probe.ts";
import type { RunResult } from "../../pull/result.ts";
import { runJob } from "../../pull/run.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { makeHome, makeJob, waitFor } from "../e2e/pull-fixture.ts";
import { addJob, furnish } from "./furnished.ts";
import { harmless } from "./harmless.ts";
import { hostileScript, takeOver } from "./hostile-side.ts";

const endless: readonly (readonly [string, string, string, string])[] = [
  [
    "progress",
    "makes progress without end",
    'while True: print(json.dumps({"type": "archive_progress", "nfiles": 1, "original_size": 1, "path": "x"}), file=sys.stderr); time.sleep(0.01)',
    "timed-out",
  ],
  [
    "requests",
    "asks without end",
    "hello(); r = Repository()\nwhile True: r.get(manifest_id); time.sleep(0.01)",
    "timed-out",
  ],
  ["silence", "is silent", "time.sleep(10_000)", "stalled"],
  ["locked", "holds the repository open", "hello(); r = Repository(); time.sleep(10_000)", "stalled"],
  [
    "closed",
    "has committed and does not close",
    "hello(); r = Repository(); r.put(bytes(31) + b'x', b'x'); r.commit(); print('{}', flush=True); os.close(1); os.close(2); time.sleep(10_000)",
    "stalled",
  ],
];

let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  await furnish(host);
  await takeOver(host);
  // All of them first: a key line that is written takes the others' away for a moment.
  for (const job of ["gigabyte", "lines", "greeting", "code", "signal", "probed"]) await makeReady(job, {});
  for (const [job, , , kind] of endless) {
    await makeReady(job, { totalSeconds: kind === "stalled" ? 60 : 12, stallSeconds: 10 });
  }
});
async function makeReady(job: string, limits: Partial<JobFile["limits"]>): Promise<void> {
  await makeJob(home, host, job, limits);
  await addJob(host, job, path.dirname(homePaths().pullKey(job)), { paths: ["/srv"] });
}
after(async () => {
  await lab?.[Symbol.asyncDispose]();
  home?.[Symbol.dispose]();
});

interface Ended {
  readonly result: RunResult;
  readonly seconds: number;
  readonly moreBytes: number;
  readonly shown: readonly string[];
}

/** One pull of a job of its own, in which the VPS does this. */
async function pull(job: string, python: string): Promise<Ended> {
  const file = homePaths().jobFile(job);
  await hostileScript(host, job, python);
  const shown: string[] = [];
  const began = performance.now();
  const { value: result, moreBytes } = await worstOf(() =>
    runJob(file, {
      onProgress: ({ path }) => shown.push(path),
      onNote: (note) => shown.push(note),
    }),
  );
  await waitFor("nothing to be left at home", () => left(readJobFile(file)).length === 0);
  return { result, shown, seconds: (performance.now() - began) / 1000, moreBytes };
}

/** How much more memory this process had at its worst. */
async function worstOf<T>(
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly moreBytes: number }> {
  const before = process.memoryUsage().rss;
  let worst = before;
  const watch = setInterval(() => {
    worst = Math.max(worst, process.memoryUsage().rss);
  }, 50);
  try {
    return { value: await work(), moreBytes: worst - before };
  } finally {
    clearInterval(watch);
  }
}

/** borg serve of a job, and its lock. */
function left({ job, repository }: JobFile): readonly string[] {
  const folder = path.join(homePaths().state, "serve", job);
  const processes = fs.readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && fs.readlinkSync(`/proc/${name}/cwd`) === folder;
    } catch {
      return false; // it has ended
    }
  });
  return [...processes, ...["lock.exclusive"].filter((name) => fs.existsSync(path.join(repository, name)))];
}

const megabyte = 1 << 20;

// Together, because most only wait: a minute and a half is what borgctl is given to end hooks and borg.
describe("a VPS that", { concurrency: true }, () => {
  test("writes 1 GB without a newline on each output: dropped, in bounded memory", async () => {
    const { result, moreBytes } = await pull(
      "gigabyte",
      `block = b"x" * (1 << 20)
for _ in range(1024): os.write(1, block); os.write(2, block)`,
    );
    assert.deepEqual([result.outcome, result.failure?.kind], ["failed", "not-verified"]);
    assert.ok(moreBytes < 800 * megabyte, `${moreBytes} bytes`);
  });

  test("writes half a million lines, numbers beyond all measure and what a terminal obeys: harmless, in bounded memory", async () => {
    const { result, shown, moreBytes } = await pull(
      "lines",
      `line = json.dumps({"type": "log_message", "levelname": "WARNING", "message": "\\x1b[2J\\x1b]0;title\\x07\\r\\n" + "x" * 200})
progress = json.dumps({"type": "archive_progress", "nfiles": 10 ** 30, "original_size": -5, "path": "\\x1b[2J"})
print("borgctl: \\x1b[31m\\x9b31m not json", file=sys.stderr)
for _ in range(100_000): print(line, progress, progress, '{"type": [', "[" * 1000, sep="\\n", file=sys.stderr)
print("[" * 500_000); sys.exit(1)`,
    );
    assert.equal(result.outcome, "failed");
    assert.ok(shown.length <= 1100, String(shown.length));
    for (const text of [...shown, result.failure?.problem ?? "", ...result.warnings]) harmless(text);
    assert.ok(result.warnings.length <= 51, String(result.warnings.length));
    assert.ok(moreBytes < 800 * megabyte, `${moreBytes} bytes`);
  });

  test("forges its greeting: it is none, whatever it claims", async () => {
    const { result } = await pull(
      "greeting",
      `hello(borg="1.2.4\\x1b[2J", relay="sh", privilege={"x": 1}); print(json.dumps({"__proto__": {"polluted": True}, "constructor": 1}))`,
    );
    assert.deepEqual([result.outcome, result.failure?.kind], ["failed", "not-verified"]);
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });

  test("ends with a code that no borgctl has, or by a signal: the run failed", async () => {
    for (const [job, python] of [
      ["code", "sys.exit(77)"],
      ["signal", "os.kill(os.getpid(), 9)"],
    ] as const) {
      const { result } = await pull(job, python);
      assert.equal(result.outcome, "failed", job);
    }
  });

  test("answers a probe with 1 GB: cut off, in bounded memory", async () => {
    const file = homePaths().jobFile("probed");
    await hostileScript(host, "probed", 'hello()\nfor _ in range(1024): os.write(1, b"x" * (1 << 20))');
    const { pull: target } = readJobFile(file);
    const { value, moreBytes } = await worstOf(() => probe({ target, instance: "borgpull" }));
    assert.ok(!value.ok);
    assert.ok(moreBytes < 800 * megabyte, `${moreBytes} bytes`);
  });

  for (const [job, what, python, kind] of endless) {
    test(`${what}: ended by the limits, and nothing of it is left at home`, async () => {
      const ignoring = `import signal, time\nfor each in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE): signal.signal(each, signal.SIG_IGN)\n${python}`;
      const { result, seconds } = await pull(job, ignoring);
      assert.deepEqual(
        [result.outcome, result.failure?.kind],
        ["failed", kind],
        JSON.stringify(result.failure),
      );
      assert.ok(seconds < 60 + 90 + 30, `${seconds} s`);
    });
  }
});
