import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { lockHolders } from "../../pull/borg/lock.ts";
import { borgEnvironment } from "../../pull/borg.ts";
import { homePaths } from "../../schema/paths.ts";
import { processesOf } from "../e2e/processes.ts";
import { waitFor } from "../e2e/pull-fixture.ts";
import { cell, recorded, succeeds } from "./cell.ts";
import { type Fault, killBorgpull, killHomesBorg } from "./faults.ts";
import { clean } from "./left.ts";
import { committed, opened } from "./moments.ts";
import { oneJob } from "./one-job.ts";
import { reuse } from "./process-id.ts";
import { begin, limits, witness } from "./stage.ts";
import { outcome } from "./table.ts";
import { nothingLost, runs, whole } from "./trust.ts";

const { stage, job } = await oneJob();

/** Everything of home at once. */
const powerCut: Fault = {
  name: "afterwards",
  strike: async (stage, job, { child }) => {
    child.kill("SIGSTOP"); // it is not to see its borg die
    killHomesBorg(stage);
    child.kill("SIGKILL");
    await once(child, "exit");
    job.link.release();
  },
};

test("home's power cut in the middle of a pull", () =>
  cell(stage, job, {
    moment: "home's power cut in a pull",
    come: opened,
    fault: powerCut,
    withinSeconds: 20,
  }));

test("home's power cut between a transaction's end and its index", async () => {
  const index = /^(index|hints|integrity)\.\d+$/;
  const names = () => fs.readdirSync(job.repository).filter((name) => index.test(name));
  const aside = path.join(stage.folder, "aside");
  fs.mkdirSync(aside);
  for (const name of names()) fs.copyFileSync(path.join(job.repository, name), path.join(aside, name));
  const fault: Fault = {
    ...powerCut,
    strike: async (...of) => {
      await powerCut.strike(...of);
      // As a moment earlier: borg writes the index and its like last, and removes the old ones then.
      for (const name of names()) fs.rmSync(path.join(job.repository, name));
      for (const name of fs.readdirSync(aside)) {
        fs.copyFileSync(path.join(aside, name), path.join(job.repository, name));
      }
    },
  };
  const moment = "home's power cut before a transaction's index";
  await cell(stage, job, { moment, come: committed, fault, withinSeconds: 20 });
});

test("borg serve killed, and its process's number given to another: its lock is broken", async () => {
  let taken: Disposable | undefined;
  const fault: Fault = {
    ...powerCut,
    strike: async (...of) => {
      const [holder] = lockHolders(job.repository);
      assert.ok(holder);
      await powerCut.strike(...of);
      taken = await reuse(holder.pid);
      assert.ok(lockHolders(job.repository).some(({ pid }) => pid === holder.pid));
    },
  };
  using _ = { [Symbol.dispose]: () => taken?.[Symbol.dispose]() };
  const moment = "the pid of a killed borg serve is another's";
  await cell(stage, job, { moment, come: opened, fault, withinSeconds: 20 });
});

test("borgpull killed while the gate looks: what it began ends, and the next run waits for it", async () => {
  const first = await committed(stage, job);
  const looking = Promise.withResolvers<number>();
  const watcher = fs.watch(job.repository, (_event, name) => {
    const borg = processesOf(stage.folder).find(({ command }) => / (list|check) /.test(command));
    if (name === "lock.exclusive" && borg) looking.resolve(borg.pid);
  });
  job.link.release();
  const pid = await looking.promise;
  watcher.close();
  process.kill(pid, "SIGSTOP");
  first.child.kill("SIGKILL");
  await first.ended;
  const next = begin(job);
  await waitFor("the next run to begin", () => runs(job, 1)[0]?.finished === undefined);
  process.kill(pid, "SIGCONT");
  const { code, text } = await next.ended;
  assert.equal(code, 0, text);
  await nothingLost(job, []);
  await outcome(
    "borgpull killed while it verifies",
    "afterwards",
    `${runs(job, 2)[1]?.outcome}; next run good`,
  );
});

test("borgpull killed, and what it began still writes when the next run begins: that waits, and knows whose archive it is", async () => {
  const first = await opened(stage, job);
  await killBorgpull.strike(stage, job, first);
  await clean(stage, [job], 20);
  const run = runs(job, 1)[0]?.run as string;
  // borg itself in the place of a borg serve that has the last requests yet to read: it writes the same.
  const borg = await stoppedCreate(`${job.repository}::${job.name}-${run}`);
  const next = begin(job);
  await waitFor("the next run to begin", () => runs(job, 1)[0]?.run !== run);
  process.kill(borg, "SIGCONT");
  const { code, text } = await next.ended;
  assert.equal(code, 0, text);
  await succeeds(job);
  await nothingLost(job, []);
  await outcome(
    "borgpull killed, its borg serve goes on writing",
    "afterwards",
    `${recorded(job, run)}; next run good`,
  );
});

/** A borg create of home's own that has the repository's lock, and stands still. */
async function stoppedCreate(archive: string): Promise<number> {
  const passphrase = fs.readFileSync(homePaths().passphrase(job.name), "utf8").trimEnd();
  const folder = path.join(stage.folder, witness.path);
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  fs.writeFileSync(folder, witness.text);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const watcher = fs.watch(job.repository, () => {
    const { pid } = borg;
    if (!pid || !lockHolders(job.repository).some((holder) => holder.pid === pid)) return;
    process.kill(pid, "SIGSTOP");
    resolve(pid);
  });
  const borg = spawn("borg", ["create", archive, witness.path.slice(1)], {
    cwd: stage.folder,
    env: { ...borgEnvironment(homePaths().state), BORG_PASSPHRASE: passphrase },
    stdio: ["ignore", "ignore", "inherit"],
  });
  borg.on("exit", (code) => reject(new Error(`borg ended with ${code}`)));
  return promise.finally(() => watcher.close());
}

test("a lock of somebody else's borg that died: the run names it, and what to do", async () => {
  limits(job, { lockWaitSeconds: 2 });
  const env = { ...borgEnvironment(homePaths().state), BORG_HOST_ID: "laptop@1" };
  const borg = spawn("borg", ["with-lock", job.repository, "sleep", "600"], { env, detached: true });
  await waitFor("its lock", () => lockHolders(job.repository).some(({ host }) => host === "laptop@1"));
  process.kill(-(borg.pid as number), "SIGKILL");
  await once(borg, "exit");
  const { code, text } = await begin(job).ended;
  assert.equal(code, 2, text);
  assert.match(
    text,
    /repository-locked.*process \d+ of laptop@1.*if there is no such process, run: borg break-lock/s,
  );
  const undo = spawn("borg", ["break-lock", job.repository], { env: borgEnvironment(homePaths().state) });
  assert.deepEqual(await once(undo, "exit"), [0, null]);
  await succeeds(job);
  const row = "a stale lock of another machine's borg";
  await outcome(row, "the run", "failed (repository-locked), and names its process and machine");
  await outcome(row, "afterwards", "borg break-lock, run again: good");
});

test("and in the end the repository is whole, with every good archive", () => whole(job));
