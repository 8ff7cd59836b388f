/** Commands around the backup on the VPS: as whom they run, with what, when, and what home hears of them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { listArchives } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { runJob } from "../../pull/run.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { furnishVps, makeHome, makeJob, passphrase, remains, settings, waitFor } from "./pull-fixture.ts";

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

type Conf = Readonly<Record<string, string>>;

/** One run with these settings; what `note` wrote, in the order of the hooks, and what home was told. */
async function pull(conf: Conf, options: Parameters<typeof runJob>[1] = {}, roots = ["/srv/data"]) {
  await settings(host, "web1", { roots, conf });
  await host.run("rm -f /root/hooks");
  const notes: string[] = [];
  const result = await runJob(file, { onNote: (text) => notes.push(text), ...options });
  return { ...result, notes, lines: await noted() };
}
const note = (when: string) => `echo "${when} $BORGPULL_OUTCOME" >> /root/hooks`;
const noted = async () => (await host.run("cat /root/hooks 2>/dev/null || :")).split("\n").filter(Boolean);
const archives = async () => {
  const { repository, passphraseFile } = readJobFile(file);
  return (await listArchives({ repository, passphraseFile })).length;
};
const ofApp = () => host.run("pgrep -u app -a || :");

test("a hook has an environment of its own, and the passphrase in none that it can see, nor in a command line or a file", async () => {
  const { outcome, failure, run } = await pull({
    before_user: "app",
    before_run: `env | sort > ~/env; id -Gn >> ~/env; pwd >> ~/env
      cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline > ~/seen 2>/dev/null
      find /proc/$$/fd -type l -printf '%l\\n' > ~/fds; :`,
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
  const seen = await host.run("cat /home/app/seen");
  assert.ok(seen.includes("BORGPULL_RUN="), "it sees itself");
  assert.ok(!seen.includes(passphrase.slice(0, 12)));
  // The shell keeps what it redirects open meanwhile: its own file, and its output twice.
  const open = (await host.run("sort -u /home/app/fds | grep -v ^/home/app/")).split("\n");
  assert.deepEqual(
    open.map((target) => target.replace(/\d+/, "N")),
    ["/dev/null", "pipe:[N]", ""],
  );
});

test("when before fails, nothing is backed up; onError and then after run, and know it", async () => {
  const before = await archives();
  const { failure, lines } = await pull({
    before_run: "exit 7",
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

test("what a hook says is told as its own, and taken for nobody else's word", async () => {
  const { failure, notes, warnings } = await pull({
    before_user: "app",
    before_run: `echo 'borgctl: all is well'; echo 'cp: No space left on device' >&2; printf '\\033[31mred\\n'
      echo '{"type":"log_message","levelname":"ERROR","name":"borg","message":"m","msgid":"PassphraseWrong"}'
      echo '{"dump":"shop","code":1,"bytes":5}'; exit 7`,
  });
  assert.equal(failure?.kind, "hook-failed");
  assert.match(failure?.problem ?? "", /the before hook failed with exit code 7\.$/);
  assert.deepEqual(warnings, []);
  assert.deepEqual(notes.slice(0, 3), [
    "before hook: borgctl: all is well",
    "before hook: cp: No space left on device",
    "before hook:  [31mred",
  ]);
  assert.ok(notes.slice(3, 5).every((text) => text.startsWith("before hook: {")));
});

test("when borg fails, onError and then after run; that onError fails as well is a warning", async () => {
  const { failure, lines, warnings } = await pull({
    compression: "nonsense",
    on_error_user: "root",
    on_error_run: `${note("onError")}; echo last words; exit 3`,
    after_user: "root",
    after_run: note("after"),
  });
  assert.equal(failure?.kind, "borg-error", JSON.stringify(failure));
  assert.doesNotMatch(failure?.problem ?? "", /last words/);
  assert.deepEqual(lines, ["onError failed", "after failed"]);
  assert.deepEqual(warnings, ["borgctl: the onError hook failed with exit code 3"]);
});

test("an after that fails makes a good run one with warnings, without onError; what it leaves running holds nothing up", async () => {
  const { outcome, warnings, lines } = await pull({
    on_error_user: "root",
    on_error_run: note("onError"),
    after_user: "app",
    after_run: "sleep 1000 & exit 5",
  });
  assert.equal(outcome, "warning");
  assert.deepEqual(lines, []);
  assert.deepEqual(warnings, ["borgctl: the backup is made, but the after hook failed with exit code 5"]);
  assert.match(await ofApp(), /sleep 1000/);
  await host.run("pkill -u app");
});

test("an after that fails is told of beside borg's own warnings", async () => {
  const roots = ["/srv/data", "/nowhere"];
  const { outcome, warnings, lines } = await pull(
    { after_user: "root", after_run: `${note("after")}; exit 5` },
    {},
    roots,
  );
  assert.equal(outcome, "warning");
  assert.deepEqual(lines, ["after warning"]);
  assert.match(warnings.join("\n"), /\/nowhere.*borgctl: the after hook failed with exit code 5/s);
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
  assert.equal(await ofApp(), "");
});

/** Hooks of a run that is to be ended in its before hook; the others have something to say, and take a moment. */
const interrupted: Conf = {
  before_user: "app",
  before_run: ": hook-of-the-test; touch ~/here; sleep 1000",
  on_error_user: "root",
  on_error_run: `echo words; sleep 0.2; echo words; ${note("onError")}; exit 1`,
  after_user: "root",
  after_run: `echo words; sleep 0.2; echo words; ${note("after")}`,
};
async function begin(options: Parameters<typeof runJob>[1] = {}) {
  await host.run("rm -f /home/app/here");
  const ended = pull(interrupted, options);
  await waitFor("the hook", async () => (await host.run("ls /home/app")).includes("here"));
  return { ended };
}

test("a run that is cancelled ends its hook, runs onError and after, and leaves nothing", async () => {
  const stop = new AbortController();
  const { ended } = await begin({ signal: stop.signal });
  stop.abort();
  const { failure, lines } = await ended;
  assert.equal(failure?.kind, "cancelled");
  assert.deepEqual(lines, ["onError failed", "after failed"]);
  assert.deepEqual(await remains(host, readJobFile(file)), []);
  assert.equal(await ofApp(), "");
});

test("a run whose connection is cut does the same, though nobody hears what the hooks say", async () => {
  const { ended } = await begin();
  await host.run("pkill -KILL -f '[s]shd.*: borgpull'");
  assert.equal((await ended).failure?.kind, "connection-lost");
  await waitFor("the after hook", async () => (await noted()).includes("after failed"));
  assert.deepEqual(await noted(), ["onError failed", "after failed"]);
  await waitFor("the end", async () => (await remains(host, readJobFile(file))).length === 0);
  assert.equal(await ofApp(), "");
});
