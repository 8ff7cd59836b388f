import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { processesOf } from "../e2e/processes.ts";
import { succeeds } from "./cell.ts";
import { clean } from "./left.ts";
import { opened } from "./moments.ts";
import { begin, type Job, openStage, type Stage } from "./stage.ts";
import { outcome } from "./table.ts";
import { nothingLost, runs } from "./trust.ts";

let stage: Stage;
const jobs = new Map<string, Job>();

before(async () => {
  // The limits are those of every day: what is waited for here is short of them.
  stage = await openStage({ sshdNoticesSeconds: 180 });
  for (const name of ["slow", "stopped", "tree"]) {
    const job = await stage.job(name);
    await succeeds(job);
    jobs.set(name, job);
  }
  await stage.host.run("head -c 300k /dev/urandom > /srv/changes");
});
after(() => stage?.[Symbol.asyncDispose]());

describe("waiting", { concurrency: true }, () => {
  test("a link of 64 kB/s with 50 ms each way, which stalls for 20 s again and again", async () => {
    const job = jobs.get("slow") as Job;
    job.link.shape = {
      latencyMilliseconds: 50,
      bytesPerSecond: 64_000,
      stall: { everyMilliseconds: 8_000, milliseconds: 20_000 },
    };
    const { code, text } = await begin(job).ended;
    assert.equal(code, 0, text);
    await nothingLost(job, []);
    await outcome("a link of 64 kB/s, 50 ms, stalls of 20 s", "the run", `${runs(job, 1)[0]?.outcome}`);
  });

  for (const [name, row] of [
    ["stopped", "borgpull stopped for 60 s"],
    ["tree", "borgpull and borg serve stopped for 60 s"],
  ] as const) {
    test(`${row} in the middle of a pull`, async () => {
      const job = jobs.get(name) as Job;
      const { child, ended } = await opened(stage, job);
      const serve = processesOf(stage.folder).filter(({ command }) => command.includes(`./${name} `));
      assert.equal(serve.length, 1);
      const pids = [child.pid, ...(name === "tree" ? serve.map(({ pid }) => pid) : [])];
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      job.link.release();
      await wait(60_000);
      for (const pid of pids) process.kill(pid, "SIGCONT");
      const { code, text } = await ended;
      assert.equal(code, 0, text);
      await nothingLost(job, []);
      await outcome(row, "the run", `${runs(job, 1)[0]?.outcome}`);
    });
  }
});

test("afterwards nothing is left", () => clean(stage, [...jobs.values()], 10));
