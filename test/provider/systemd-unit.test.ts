import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, test } from "node:test";
import { InitFailed } from "./driver.ts";
import { drift, type Fixture, fixture, home, owner } from "./fixture.ts";

const type = "borgpull:index:SystemdUnit";
let lab: Fixture;
before(async () => {
  lab = await fixture({ base: "debian13", login: "admin" });
});
after(() => lab[Symbol.asyncDispose]());

const mark = `# Managed by borgpull, owner ${owner}.\n`;
const service = () => ({
  ...lab.on,
  manager: "system",
  name: "borgpull-x.service",
  content: `${mark}[Service]\nType=oneshot\nExecStart=/bin/touch /run/fired\n`,
  enabled: false,
  active: false,
});
const timer = (calendar = "*-*-* 03:00:00") => ({
  ...lab.on,
  manager: "system",
  name: "borgpull-x.timer",
  content: `${mark}[Timer]\nOnCalendar=${calendar}\nAccuracySec=1s\n[Install]\nWantedBy=timers.target\n`,
  enabled: true,
  active: true,
});

test("a timer is loaded, enabled, waiting, and really fires", async () => {
  await lab.provider.create(type, service());
  const inputs = timer("*:*:0/1");
  const { id, outputs } = await lab.provider.create(type, inputs);
  assert.deepEqual((await drift(lab.provider, type, id, outputs, inputs)).paths, {});
  await lab.host.run("timeout 20 sh -c 'until [ -e /run/fired ]; do :; done'");
  // Once a second is more often than systemd lets a service start.
  await lab.host.run("systemctl stop borgpull-x.timer; systemctl reset-failed");
});

test("content, enablement, activity and a missing daemon-reload each show as what they are, and update repairs", async () => {
  const inputs = timer();
  const path = "/etc/systemd/system/borgpull-x.timer";
  const made = await lab.provider.update(type, "x", {}, inputs);
  const cases: [string, string[]][] = [
    ["systemctl disable borgpull-x.timer", ["enabled"]],
    ["systemctl stop borgpull-x.timer", ["active"]],
    [`sed -i s/03:00/04:00/ ${path}; systemctl daemon-reload`, ["content"]],
    [`sed -i s/03:00/04:00/ ${path}`, ["content", "loaded"]],
  ];
  for (const [damage, paths] of cases) {
    await lab.host.run(damage);
    const seen = await drift(lab.provider, type, "x", made.outputs, inputs);
    assert.deepEqual(Object.keys(seen.paths).sort(), paths, damage);
    const repaired = await lab.provider.update(type, "x", seen.live, inputs);
    assert.deepEqual((await drift(lab.provider, type, "x", repaired.outputs, inputs)).paths, {}, damage);
  }
  await lab.host.run(`rm ${path}`);
  assert.deepEqual((await drift(lab.provider, type, "x", made.outputs, inputs)).paths, {
    "(gone)": "DELETE",
  });
});

test("a unit that systemd does not take is recorded as failed, with its words", async () => {
  const failure = await lab.provider.update(type, "x", {}, timer("not a time")).catch((error) => error);
  assert.ok(failure instanceof InitFailed, String(failure));
  assert.match(failure.message, /systemd does not take borgpull-x\.timer/);
});

test("removal stops, disables and forgets it", async () => {
  for (const inputs of [timer(), service()]) await lab.provider.remove(type, "x", inputs, inputs);
  assert.equal(
    (
      await lab.host.run(
        "systemctl list-unit-files --no-legend 'borgpull-x*'; ls /etc/systemd/system | grep borgpull-x || true",
      )
    ).trim(),
    "",
  );
});

test("where systemd does not run, a unit for nobody is no difference and leaves nothing", async () => {
  const { connection: _, ...rest } = timer();
  const inputs = { ...rest, home, manager: "none", name: "borgpull-none.timer" };
  const { id, outputs } = await lab.provider.create(type, inputs);
  assert.deepEqual((await drift(lab.provider, type, id, outputs, inputs)).paths, {});
  await lab.provider.remove(type, id, outputs, inputs);
  assert.equal(fs.existsSync("/etc/systemd/system/borgpull-none.timer"), false);
});

const booted = fs.existsSync("/run/systemd/system");
test("without systemd at home the remedy is named", {
  skip: booted && "systemd runs on this machine",
}, async () => {
  const { connection: _, ...rest } = timer();
  await assert.rejects(lab.provider.create(type, { ...rest, home }), /systemd does not run here.*cron/s);
});
