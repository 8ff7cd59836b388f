import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { unknown } from "../../provider/values.ts";
import { audit } from "../../pull/audit/audit.ts";
import { readJobFile } from "../../pull/job.ts";
import { lockJob } from "../../pull/lock.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { editJob, furnishVps, makeHome, makeJob, reloadSshd } from "../e2e/pull-fixture.ts";
import { type Driver, InitFailed, startProvider } from "./driver.ts";
import { drift, home, owner } from "./fixture.ts";

const type = "borgpull:index:Audit";
let lab: Lab;
let folder: ReturnType<typeof makeHome>;
let host: Host;
let provider: Driver;
let jobFile: string;

before(async () => {
  lab = await openLab();
  folder = makeHome();
  host = await lab.boot({ name: "vps", base: "debian12", login: "root" });
  jobFile = await makeJob(folder, host, "web1");
  await furnishVps(host, "web1");
  provider = await startProvider();
});
after(async () => {
  await provider?.[Symbol.asyncDispose]();
  folder?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

const inputs = (of = "0123456789abcdef") => ({ home, owner, job: "web1", jobFile, of });
const logins = async () =>
  Number(await host.run("journalctl -u ssh --no-pager | grep -c 'Accepted publickey for borgpull' || true"));

test("a preview audits nothing, a create does, and a read does not", async () => {
  const preview = await provider.create(type, inputs(), true);
  assert.deepEqual([preview.outputs.attempts, preview.outputs.failed], [unknown, []]);
  assert.equal(await logins(), 0);
  const { id, outputs } = await provider.create(type, inputs());
  assert.deepEqual([id, outputs.failed], ["web1", []]);
  assert.ok(Number(outputs.attempts) > 30);
  const afterwards = await logins();
  assert.ok(afterwards > 0);
  assert.deepEqual((await drift(provider, type, id, outputs, inputs())).paths, {});
  assert.equal(await logins(), afterwards);
});

test("when what decides it changes, the key is audited again; what does not hold is recorded, shows, and goes when it is mended", async () => {
  const { outputs } = await provider.create(type, inputs());
  const changed = inputs("changed");
  assert.deepEqual((await provider.diff(type, outputs, changed)).paths, { of: "UPDATE" });

  const { dropIn } = vpsPaths("borgpull");
  await host.run(`sed -i 's/AcceptEnv .*/& BORG_RSH/' ${dropIn}`);
  await reloadSshd(host);
  const failure = await provider.update(type, "web1", outputs, changed).then(
    () => assert.fail("it must not hold"),
    (error) => error,
  );
  assert.ok(failure instanceof InitFailed, String(failure));
  assert.match(
    failure.message,
    /^variable BORG_RSH: expected "refused", seen "granted"\. The pull key of web1/,
  );
  assert.equal(failure.refreshBeforeUpdate, true);
  const recorded = failure.outputs;
  assert.deepEqual((await drift(provider, type, "web1", recorded, changed)).paths, { failed: "UPDATE" });

  await host.run(`sed -i 's/ BORG_RSH$//' ${dropIn}`);
  await reloadSshd(host);
  const mended = await provider.update(type, "web1", recorded, changed);
  assert.deepEqual((await drift(provider, type, "web1", mended.outputs, changed)).paths, {});
});

test("a host that cannot be reached is no verdict", async () => {
  editJob(jobFile, (job) => ({ ...job, pull: { ...job.pull, port: 23 } }));
  const failure = await provider.create(type, inputs()).catch((error) => error);
  assert.match(failure.message, /cannot be reached/);
  assert.ok(!(failure instanceof InitFailed));
  editJob(jobFile, (job) => ({ ...job, pull: { ...job.pull, port: 22 } }));
});

test("it waits for a pull of its job to end", async () => {
  const lock = lockJob(homePaths().lock("web1"), "web1");
  const earlier = await logins();
  const waiting = provider.create(type, inputs());
  // Another audit, from begin to end and without the lock: for as long as that takes, ours has not begun.
  const { pull: target, instance, job } = readJobFile(jobFile);
  await audit({ target, instance, job });
  assert.equal(await logins(), earlier + 2);
  lock[Symbol.dispose]();
  await waiting;
  assert.equal(await logins(), earlier + 4);
});

test("elsewhere than at home it reads as last known, and is refused", async () => {
  const away = { ...inputs(), home: "another-machine/0" };
  const known = { ...away, attempts: 59, failed: [] };
  assert.deepEqual((await drift(provider, type, "web1", known, away)).paths, {});
  await assert.rejects(provider.create(type, away), /not the machine \(or user\) at home/);
  await assert.rejects(provider.update(type, "web1", known, away), /not the machine \(or user\) at home/);
  await provider.remove(type, "web1", known, away);
});
