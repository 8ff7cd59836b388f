/** What channels hear of a job's whole life, through real pulls. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { backUp } from "../../pull/attempts.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { JobBusyError, lockJob } from "../../pull/lock.ts";
import { accept } from "../../pull/rollback/accept.ts";
import { runJob } from "../../pull/run.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import type { Channels } from "../../schema/notify.ts";
import { homePaths } from "../../schema/paths.ts";
import { mailServer, webServer } from "./notify-servers.ts";
import { borgByHand } from "./prune-fixture.ts";
import { editJob, furnishVps, makeHome, makeJob, settings } from "./pull-fixture.ts";

const job = "web1";
let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;
let file: string;
let sound: string;

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: job, base: "debian12", login: "root" });
  file = await makeJob(home, host, job);
  sound = fs.readFileSync(file, "utf8");
  await furnishVps(host, job);
  await settings(host, job, { roots: ["/etc/ssh"] });
});

beforeEach(() => fs.writeFileSync(file, sound));

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

const channels = (notify: Channels) => editJob(file, (data) => ({ ...data, notify }));
const port = (number: number) => editJob(file, (data) => ({ ...data, pull: { ...data.pull, port: number } }));

test("good, failed, failed again, tampered, tampered still, accepted: each change is told once, on each channel", async () => {
  await using phone = await webServer();
  await using chat = await webServer();
  await using monitor = await webServer();
  await using post = await mailServer({ authOptional: true, disabledCommands: ["STARTTLS", "AUTH"] });
  const own = path.join(home.folder, "own");
  channels({
    phone: { kind: "ntfy", url: `${phone.url}/topic` },
    chat: { kind: "webhook", url: chat.url },
    monitor: { kind: "healthchecks", url: `${monitor.url}/ping/uuid` },
    mail: {
      kind: "mail",
      to: "me@example.com",
      from: "home@example.com",
      host: "localhost",
      port: post.port,
      security: "none",
    },
    own: { kind: "command", run: `echo "$BORGPULL_STATE after $BORGPULL_BEFORE" >> ${own}` },
    dead: { kind: "ntfy", url: "http://localhost:1/topic" },
  });
  const pings = () => monitor.arrived.splice(0).map(({ path: at }) => at.replace("/ping/uuid", ""));

  const { outcome, archive } = await runJob(file);
  assert.equal(outcome, "good");
  assert.deepEqual(pings(), ["/start", ""]);
  assert.equal(phone.arrived.length, 0);

  port(23);
  for (const _ of [1, 2]) {
    const notes: string[] = [];
    const result = await runJob(file, { onNote: (note) => notes.push(note) });
    assert.deepEqual([result.outcome, result.failure?.kind], ["failed", "unreachable"]);
    assert.match(notes.join(), /dead \(ntfy\) was not told\. .* nobody listens there/);
    assert.deepEqual(pings(), ["/start", "/fail"]);
  }

  port(22);
  await borgByHand(readJobFile(file), ["delete", `REPO::${archive?.name}`]);
  for (const _ of [1, 2]) {
    assert.ok((await runJob(file)).breach);
    assert.deepEqual(pings(), ["/start", "/fail"]);
  }

  await accept(file, { confirm: async () => true });
  assert.equal((await runJob(file)).outcome, "good");
  assert.deepEqual(pings(), ["/start", ""]);

  assert.deepEqual(
    phone.arrived.map(({ headers }) => headers.title),
    ["Backup web1: failed", "Backup web1: tampered with", "Backup web1: recovered"],
  );
  const notices = chat.arrived.map(({ body }) => JSON.parse(body));
  assert.deepEqual(
    notices.map(({ state, before: was }) => [state, was]),
    [
      ["failed", undefined],
      ["tampered", "failed"],
      ["recovered", "tampered"],
    ],
  );
  assert.match(notices[0].problem, /cannot be reached|refused/);
  assert.match(notices[1].problem, new RegExp(archive?.name ?? "nothing"));
  assert.match(notices[1].remedy, /borgpull rollback web1/);
  assert.equal(post.delivered.length, 3);
  assert.equal(
    fs.readFileSync(own, "utf8"),
    "failed after \ntampered after failed\nrecovered after tampered\n",
  );
  using ledger = openLedger(homePaths().stateDb);
  assert.deepEqual(
    ledger.events(job, 100).flatMap(({ kind, text }) => (kind === "notice" ? [text] : [])).length,
    1,
    "what failed is on record, once",
  );
});

test("tries that are followed by another are not told: only the last one is", async () => {
  await using monitor = await webServer();
  await using phone = await webServer();
  channels({
    monitor: { kind: "healthchecks", url: monitor.url },
    phone: { kind: "ntfy", url: phone.url },
  });
  port(23);
  editJob(file, (data) => ({ ...data, limits: { ...data.limits, retries: 2, retryWaitSeconds: 1 } }));
  const tries: number[] = [];
  const told = () => phone.arrived.length;
  const result = await backUp(file, { onBegin: () => tries.push(told()) });
  assert.equal(result.failure?.kind, "unreachable");
  assert.deepEqual(tries, [0, 0, 0]);
  assert.equal(told(), 1);
  assert.deepEqual(
    monitor.arrived.map(({ path: at }) => at),
    ["/start", "/start", "/start", "/fail"],
  );
});

test("a run that a person cancels is told to nobody but the dead man's switch", async () => {
  await using monitor = await webServer();
  await using phone = await webServer();
  channels({
    monitor: { kind: "healthchecks", url: monitor.url },
    other: { kind: "ntfy", url: phone.url },
  });
  const cancel = new AbortController();
  cancel.abort();
  const result = await runJob(file, { signal: cancel.signal });
  assert.equal(result.failure?.kind, "cancelled");
  assert.deepEqual(
    monitor.arrived.map(({ path: at }) => at),
    ["/start", "/fail"],
  );
  assert.deepEqual(phone.arrived, []);
});

test("a run for want of a passphrase fails on record, and is told at once", async () => {
  await using monitor = await webServer();
  await using pager = await webServer();
  channels({
    monitor: { kind: "healthchecks", url: monitor.url },
    pager: { kind: "ntfy", url: pager.url },
  });
  editJob(file, (data) => ({ ...data, passphraseFile: path.join(home.folder, "nowhere") }));
  const result = await backUp(file);
  assert.deepEqual([result.outcome, result.failure?.kind], ["failed", "passphrase-missing"]);
  assert.deepEqual(
    monitor.arrived.map(({ path: at }) => at),
    ["/start", "/fail"],
  );
  assert.match(pager.arrived[0]?.body ?? "", /nowhere: the passphrase cannot be read \(ENOENT\)/);
});

test("a check that failed is a warning of the next run, in home's records too", async () => {
  {
    using ledger = openLedger(homePaths().stateDb);
    ledger.endCheck(ledger.beginCheck(job, "repository"), "failed", { problem: "A segment is bad." });
  }
  const { run, outcome, warnings } = await backUp(file);
  assert.equal(outcome, "warning");
  assert.match(warnings.join(), /A segment is bad/);
  using ledger = openLedger(homePaths().stateDb);
  assert.deepEqual([ledger.run(run)?.outcome, ledger.run(run)?.warnings], [outcome, warnings]);
});

test("a job that is busy is told to nobody; home's records that are damaged are, each time", async () => {
  await using monitor = await webServer();
  await using phone = await webServer();
  channels({
    monitor: { kind: "healthchecks", url: monitor.url },
    phone: { kind: "ntfy", url: phone.url },
  });
  {
    using _lock = lockJob(homePaths().lock(job), job);
    await assert.rejects(backUp(file), JobBusyError);
  }
  assert.deepEqual([monitor.arrived, phone.arrived], [[], []]);

  for (const suffix of ["-wal", "-shm"]) fs.rmSync(`${homePaths().stateDb}${suffix}`, { force: true });
  fs.writeFileSync(homePaths().stateDb, "garbage ".repeat(1000));
  for (const _ of [1, 2]) await assert.rejects(backUp(file), /is damaged/);
  assert.deepEqual(
    monitor.arrived.map(({ path: at }) => at),
    ["/fail", "/fail"],
  );
  assert.deepEqual(
    phone.arrived.map(({ headers }) => headers.title),
    ["Backup web1: failed", "Backup web1: failed"],
  );
  assert.match(phone.arrived[0]?.body ?? "", /home's own records, is damaged\.\nBegin anew: mv /);
});
