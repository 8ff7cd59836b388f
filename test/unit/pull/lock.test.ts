import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import {
  JobBusyError,
  lockJob,
  lockJobInTime,
  refuseWhileBusy,
  type WaitOptions,
} from "../../../pull/lock.ts";

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "lock-"));
test.after(() => fs.rmSync(dir, { recursive: true }));

const file = () => path.join(fs.mkdtempSync(path.join(dir, "one-")), "locks/web1.db");

test("a job is locked once, until it is let go", () => {
  const at = file();
  {
    using _ = lockJob(at, "web1");
    assert.throws(
      () => lockJob(at, "web1"),
      (error) => error instanceof JobBusyError && error.problem.includes(`process ${process.pid}`),
    );
  }
  lockJob(at, "web1")[Symbol.dispose]();
});

test("whoever finds a job locked is told by what and since when, also by a note that names no verb", () => {
  const at = file();
  const refused = (options = {}) => {
    using _ = lockJob(at, "web1", options);
    try {
      lockJob(at, "web1");
    } catch (error) {
      return (error as JobBusyError).problem;
    }
  };
  const since = String.raw`since \d{4}-\d\d-\d\d \d\d:\d\d\.$`;
  assert.match(
    refused({ by: "borgpull mount" }) ?? "",
    new RegExp(`"borgpull mount" \\(process \\d+\\), ${since}`),
  );
  assert.match(refused() ?? "", new RegExp(`^Job web1 is being worked on by process \\d+, ${since}`));
});

test("the lock of a process that was killed is free at once, whatever children it had", async () => {
  const at = file();
  const program = `
    const { lockJob } = await import(${JSON.stringify(new URL("../../../pull/lock.ts", import.meta.url).href)});
    const lock = lockJob(${JSON.stringify(at)}, "web1"); // kept, or the garbage collector closes it
    const child = (await import("node:child_process")).spawn("sleep", ["60"], { stdio: "ignore" });
    console.log(child.pid);
    setInterval(() => lock, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = (await once(holder.stdout, "data")) as [Buffer];
  try {
    assert.throws(() => lockJob(at, "web1"), new RegExp(`process ${holder.pid}`));
    holder.kill("SIGKILL");
    await once(holder, "exit");
    lockJob(at, "web1")[Symbol.dispose]();
  } finally {
    process.kill(Number(output.toString()));
  }
});

test("brief work on a job is waited for, a longer one only by who waits for any, and nobody waits once cancelled", async () => {
  const at = file();
  const begun = Promise.withResolvers<void>();
  const waiting = (options: Partial<WaitOptions> = {}) =>
    lockJobInTime(at, "web1", { seconds: 60, onWait: begun.resolve, ...options });
  {
    using _ = lockJob(at, "web1");
    await assert.rejects(waiting(), JobBusyError);
    const cancel = new AbortController();
    const cancelled = waiting({ forAny: true, signal: cancel.signal });
    cancel.abort();
    await assert.rejects(cancelled, { name: "AbortError" });
    assert.throws(() => refuseWhileBusy(at, "web1"), JobBusyError);
  }
  const brief = lockJob(at, "web1", { brief: true });
  refuseWhileBusy(at, "web1");
  await assert.rejects(waiting({ seconds: 0 }), JobBusyError);
  const then = waiting();
  await begun.promise;
  brief[Symbol.dispose]();
  (await then)[Symbol.dispose]();
});
