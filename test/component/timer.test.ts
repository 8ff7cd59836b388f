import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { declareHome, declareWatch, PullJob, type PullJobArgs, Vps } from "../../components/index.ts";
import { programInputs } from "../../schema/inputs.ts";
import { before, type Declared, declare, one } from "./program.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF9KQee5MS4Qo/4O8Iyc5n/qTDEk+7+SMeJBmFjAU5GJ";
const what = { paths: ["/etc"], repository: "/srv/backup/web1", schedule: "*-*-* 03:00:00" };
const declared = async (more: Partial<PullJobArgs> = {}): Promise<readonly Declared[]> => {
  const program = () => {
    const vps = new Vps("host", { address: "web1.example.com", hostKey, home: declareHome() });
    return [new PullJob("web1", { vps, ...what, ...more }), new PullJob("web2", { vps, ...what, ...more })];
  };
  return (await declare(program)).declared;
};
const service = async (more: Partial<PullJobArgs> = {}): Promise<string> =>
  one(await declared(more), "web1-service").inputs.content;

suite("a timer", () => {
  test("runs an installed program, which is there before the job's file and goes after the timer", async () => {
    const all = await declared();
    assert.deepEqual(programInputs.parse(one(all, "home-program").inputs), {
      home: "machine/0",
      owner: "borgpull/test",
    });
    for (const name of ["web1-job", "web2-job", "web1-service", "web1-timer"])
      assert.ok(before(all, name).has("home-program"), name);
  });

  test("fires at a time of its own after the schedule's", async () => {
    const { content } = one(await declared({ randomizedDelay: "1h" }), "web1-timer").inputs;
    assert.match(content, /^OnCalendar=\*-\*-\* 03:00:00\n.*\nPersistent=yes\nRandomizedDelaySec=3600$/m);
  });

  test("starts a service that may write its records and its repository alone", async () => {
    assert.match(
      await service(),
      /^ReadWritePaths="-\/var\/lib\/borgpull" "-\/srv\/backup\/web1" "-\/etc\/borgpull\/repositories"$/m,
    );
    assert.match(await service(), /^RequiresMountsFor="\/srv\/backup\/web1"$/m);
  });

  test("leaves a service free that runs commands of one's own", async () => {
    const hook = await service({ hooks: { atHome: { before: { run: "mount /srv/backup" } } } });
    const command = await service({ notify: { mine: { kind: "command", run: "wall" } } });
    const ntfy = await service({ notify: { phone: { kind: "ntfy", url: "https://ntfy.sh/mine" } } });
    const confined = (text: string) => /ProtectSystem|NoNewPrivileges/.test(text);
    assert.deepEqual([hook, command, ntfy].map(confined), [false, false, true]);
  });

  test("may wait for its turn as long as it must", async () => {
    assert.doesNotMatch(await service({ limits: { total: "2h" } }), /^TimeoutStartSec=/m);
  });

  test("is nobody's program without a schedule", async () => {
    const all = await declared({ schedule: undefined });
    assert.equal(
      all.some(({ type }) => type === "Program" || type === "SystemdUnit"),
      false,
    );
  });
});

suite("the watch", () => {
  test("looks every hour, for the jobs of this stack", async () => {
    const all = (await declare(() => declareWatch(declareHome()))).declared;
    const { name, content } = one(all, "watch-service").inputs;
    assert.equal(name, "borgpull-watch-borgpull-test.service");
    assert.match(content, /borgpull\+test\/cli\/borgpull" "watch" "--owner" "borgpull\/test"$/m);
    assert.match(content, /^ReadWritePaths="-\/var\/lib\/borgpull"$/m);
    assert.match(one(all, "watch-timer").inputs.content, /^OnCalendar=hourly$/m);
  });

  test("writes metrics where it is told to", async () => {
    const metrics = "/var/lib/prometheus/node-exporter/borgpull.prom";
    const all = (await declare(() => declareWatch(declareHome(), { metrics }))).declared;
    const { content } = one(all, "watch-service").inputs;
    assert.match(content, new RegExp(`"--metrics" "${metrics}"$`, "m"));
    assert.match(
      content,
      /^ReadWritePaths="-\/var\/lib\/borgpull" "-\/var\/lib\/prometheus\/node-exporter"$/m,
    );
  });

  test("is there for the metrics alone, as the stack's config asks for them", async () => {
    const config = { "borgpull:metrics": "/srv/metrics/borgpull.prom", "borgpull:hosts": "{}" };
    const { declared } = await declare(() => import("../../index.ts"), { config });
    assert.match(
      one(declared, "watch-service").inputs.content,
      /"--metrics" "\/srv\/metrics\/borgpull\.prom"$/m,
    );
  });

  test("is left free where a job tells by a command of one's own", async () => {
    const all = (await declare(() => declareWatch(declareHome(), { commands: true }))).declared;
    assert.doesNotMatch(one(all, "watch-service").inputs.content, /Protect/);
  });
});
