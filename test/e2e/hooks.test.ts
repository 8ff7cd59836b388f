/** Commands around the backup on the VPS: as whom they run, with what, for how long, and when. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { listArchives } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { runJob } from "../../pull/run.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { vpsPaths } from "../../schema/paths.ts";
import {
  editJob,
  furnishVps,
  makeHome,
  makeJob,
  passphrase,
  remains,
  settings,
  waitFor,
} from "./pull-fixture.ts";

let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;
let file: string;

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  await host.run("useradd --create-home app; mkdir /srv/data; echo data > /srv/data/file");
  file = await makeJob(home, host, "web1");
  await furnishVps(host, "web1");
});
after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

/** One run with these hooks; each of `note` writes what it was told, and the runs' lines are in the order of the hooks. */
async function pull(conf: Readonly<Record<string, string>>, options: Parameters<typeof runJob>[1] = {}) {
  await settings(host, "web1", { roots: ["/srv/data"], conf });
  await host.run("rm -f /root/hooks");
  const result = await runJob(file, options);
  const lines = (await host.run("cat /root/hooks 2>/dev/null || :")).split("\n").filter(Boolean);
  return { ...result, lines };
}
const note = (when: string) => `echo "${when} $BORGPULL_OUTCOME" >> /root/hooks`;
const archives = async () => {
  const { repository, passphraseFile } = readJobFile(file);
  return (await listArchives({ repository, passphraseFile })).length;
};

test("a hook has an environment of its own: its user's, the job, the run, and what came of it", async () => {
  const { outcome, failure, run } = await pull({
    before_user: "app",
    before_run: "env | sort > ~/env; id -Gn >> ~/env; pwd >> ~/env",
    after_user: "root",
    after_run: "env > /root/env",
  });
  assert.equal(outcome, "good", JSON.stringify(failure));
  assert.deepEqual((await host.run("cat /home/app/env")).split("\n").slice(0, -1), [
    "BORGPULL_JOB=web1",
    `BORGPULL_RUN=${run}`,
    "HOME=/home/app",
    "LANG=C.UTF-8",
    "LOGNAME=app",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PWD=/",
    "USER=app",
    "app",
    "/",
  ]);
  assert.match(await host.run("cat /root/env"), /^BORGPULL_OUTCOME=good$/m);
});

test("neither environment, command line nor open file that a hook can see has the passphrase", async () => {
  const look = (to: string) =>
    `cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline > ~/${to} 2>/dev/null
     find /proc/$$/fd -type l -printf '%l\\n' > ~/fds.${to}; :`;
  const { outcome } = await pull({
    before_user: "app",
    before_run: look("before"),
    after_user: "app",
    after_run: look("after"),
  });
  assert.equal(outcome, "good");
  for (const when of ["before", "after"]) {
    const seen = await host.run(`cat /home/app/${when}`);
    assert.ok(seen.includes("BORGPULL_RUN="), "it sees itself");
    assert.ok(!seen.includes(passphrase.slice(0, 12)));
    // the shell keeps what it redirects open meanwhile: its own file, and stderr twice
    const open = (await host.run(`sort -u /home/app/fds.${when} | grep -v ^/home/app/`)).split("\n");
    assert.deepEqual(
      open.map((target) => target.replace(/\d+/, "N")),
      ["/dev/null", "pipe:[N]", ""],
    );
  }
});

test("when before fails, nothing is backed up; onError and then after run, and know it", async () => {
  const before = await archives();
  const { failure, lines } = await pull({
    before_run: "echo no room >&2; exit 7",
    on_error_user: "root",
    on_error_run: note("onError"),
    after_user: "root",
    after_run: note("after"),
  });
  assert.equal(failure?.kind, "hook-failed");
  assert.match(failure?.problem ?? "", /the before hook failed with exit code 7\.$/);
  assert.deepEqual(lines, ["onError failed", "after failed"]);
  assert.equal(await archives(), before);
});

test("when borg fails, onError and then after run", async () => {
  const { failure, lines } = await pull({
    compression: "nonsense",
    on_error_user: "root",
    on_error_run: `${note("onError")}; exit 3`,
    after_user: "root",
    after_run: note("after"),
  });
  assert.equal(failure?.kind, "borg-error", JSON.stringify(failure));
  assert.deepEqual(lines, ["onError failed", "after failed"]);
});

test("a good run has no onError; an after that fails makes it one with warnings", async () => {
  const { outcome, warnings, lines } = await pull({
    on_error_user: "root",
    on_error_run: note("onError"),
    after_user: "root",
    after_run: `${note("after")}; exit 5`,
  });
  assert.equal(outcome, "warning");
  assert.deepEqual(lines, ["after good"]);
  assert.match(warnings.join(), /the backup is made, but the after hook failed with exit code 5/);
});

test("a hook that takes longer than it may is ended with all that it has begun, and has failed", async () => {
  const { failure, lines } = await pull({
    before_user: "app",
    before_run: ": hook-of-the-test; sleep 1000 & sleep 1000",
    before_seconds: "1",
    after_user: "root",
    after_run: note("after"),
  });
  assert.match(failure?.problem ?? "", /the before hook was ended after 1 s\.$/);
  assert.deepEqual(lines, ["after failed"]);
  assert.equal(await host.run("pgrep -u app -a || :"), "");
});

test("a hook that takes long without a word is no stall", async () => {
  const { helper } = vpsPaths("borgpull");
  await host.run(
    `sed -i.sound 's/while sleep 30/while sleep 1/' ${helper}; ! cmp -s ${helper} ${helper}.sound`,
  );
  const { limits } = readJobFile(file);
  editJob(file, (job) => ({ ...job, limits: { ...limits, stallSeconds: 12 } }));
  const { failure } = await pull({ before_run: "sleep 14; exit 9" });
  editJob(file, (job) => ({ ...job, limits }));
  await host.run(`mv ${helper}.sound ${helper}`);
  assert.match(failure?.problem ?? "", /failed with exit code 9/);
});

test("a run that is cancelled ends its hook, runs onError and after, and leaves nothing", async () => {
  const stop = new AbortController();
  const ended = pull(
    {
      before_user: "app",
      before_run: ": hook-of-the-test; touch ~/here; sleep 1000",
      on_error_user: "root",
      on_error_run: note("onError"),
      after_user: "root",
      after_run: note("after"),
    },
    { signal: stop.signal },
  );
  await waitFor("the hook", async () => (await host.run("ls /home/app")).includes("here"));
  stop.abort();
  const { failure, lines } = await ended;
  assert.equal(failure?.kind, "cancelled");
  assert.deepEqual(lines, ["onError failed", "after failed"]);
  assert.deepEqual(await remains(host, readJobFile(file)), []);
  assert.equal(await host.run("pgrep -u app -a || :"), "");
});
