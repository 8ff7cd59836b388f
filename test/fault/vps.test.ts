import assert from "node:assert/strict";
import { test } from "node:test";
import { listArchives } from "../../pull/borg.ts";
import { homePaths } from "../../schema/paths.ts";
import { editJob } from "../e2e/pull-fixture.ts";
import { cell, succeeds } from "./cell.ts";
import { type Fault, killFarBorg } from "./faults.ts";
import { committed, opened } from "./moments.ts";
import { oneJob } from "./one-job.ts";
import { reuse } from "./process-id.ts";
import { begin } from "./stage.ts";
import { outcome } from "./table.ts";
import { good, nothingLost, runs, whole } from "./trust.ts";

const { stage, job } = await oneJob();

const cache = "/var/cache/borgpull";

test("the VPS's disk is full: borg has no room for its cache", async () => {
  const { host } = stage;
  const kept = good(job);
  await host.run(`mount -t tmpfs -o size=16k tmpfs ${cache}`);
  const { code, text } = await begin(job).ended;
  assert.equal(code, 2, text);
  assert.match(text, /disk-full-vps.*Make room on that machine, then run it again\./s);
  await host.run(`umount ${cache}`);
  await succeeds(job);
  await nothingLost(job, kept);
  await outcome("the VPS's disk is full", "the run", "failed (disk-full-vps)");
  await outcome("the VPS's disk is full", "afterwards", "make room there, run again: good");
});

test("borg's cache there is torn, as a power cut tears what is not yet synced", async () => {
  const { host } = stage;
  const kept = good(job);
  const row = "borg's cache on the VPS is torn";
  for (const name of ["chunks", "config"]) {
    await host.run(`for file in $(find ${cache} -type f -name ${name}); do truncate -s 20 "$file"; done`);
    const { code, text } = await begin(job).ended;
    assert.equal(code, 2, text);
    const remedy =
      /borg's cache on \S+ is damaged\. On that machine: (rm -rf .*); the next run makes it anew/.exec(text);
    assert.ok(remedy, text);
    await host.run(remedy[1] as string);
    await succeeds(job);
  }
  await nothingLost(job, kept);
  await outcome(row, "the run", "failed (borg-error), and says what to remove");
  await outcome(row, "afterwards", "rm -rf, run again: good");
});

test("sshd restarted in the middle of a pull", async () => {
  const { ended } = await opened(stage, job);
  await stage.host.run("systemctl restart ssh");
  job.link.release();
  const { code, text } = await ended;
  assert.equal(code, 0, text);
  await outcome("sshd restarted in a pull", "the run", `${runs(job, 1)[0]?.outcome}`);
});

/** borg's Python is told another time: the hosts of a sandbox have one kernel, and one clock. */
const clock = (days: number) => `
import datetime, time
_ahead = ${days * 86_400}
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _ahead
time.time_ns = lambda: _time_ns() + _ahead * 10**9
class _Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=_ahead)
    @classmethod
    def utcnow(cls):
        return super().utcnow() + datetime.timedelta(seconds=_ahead)
datetime.datetime = _Shifted
`;

for (const [row, days] of [
  ["the VPS's clock is 2 days ahead", 2],
  ["the VPS's clock is 2 days behind", -2],
] as const) {
  test(row, async () => {
    const { host } = stage;
    const kept = good(job);
    const site = (await host.run("ls /etc/python3.*/sitecustomize.py")).trim();
    await host.run(`cp ${site} /root/site; cat >> ${site}`, { stdin: clock(days) });
    await succeeds(job);
    await host.run(`cp /root/site ${site}`);
    const access = { repository: job.repository, passphraseFile: homePaths().passphrase(job.name) };
    const named = runs(job, 1)[0]?.archive?.name;
    const start = (await listArchives(access)).find(({ name }) => name === named)?.start ?? "";
    const off = (Date.parse(`${start}Z`) - Date.now()) / 86_400_000;
    assert.ok(Math.abs(off - days) < 0.1, `its own archive says ${start}`);
    await succeeds(job);
    await nothingLost(job, kept);
    await outcome(row, "the run", "good");
  });
}

test("a prune after that goes by home's clock", async () => {
  const newest = good(job)
    .toSorted((a, b) => a.seen - b.seen)
    .at(-1);
  editJob(job.file, (data) => ({ ...data, keep: { yearly: 1 } }));
  const { code, text } = await begin(job, "prune").ended;
  assert.equal(code, 0, text);
  assert.deepEqual(
    good(job).map(({ id }) => id),
    [newest?.id],
  );
});

test("borg on the VPS killed, and its process's number given to another: the lock of its cache is in nobody's way", async () => {
  let taken: Disposable | undefined;
  const fault: Fault = {
    name: "afterwards",
    strike: async (stage, job, running) => {
      const pid = Number(await stage.host.run("pgrep -f '[b]org .*create' | head -1"));
      await killFarBorg.strike(stage, job, running);
      taken = await reuse(pid, stage.host);
    },
  };
  using _ = { [Symbol.dispose]: () => taken?.[Symbol.dispose]() };
  const moment = "the pid of a killed borg on the VPS is another's";
  await cell(stage, job, { moment, come: committed, fault, withinSeconds: 20 });
});

test("and in the end the repository is whole, with every good archive", () => whole(job));
