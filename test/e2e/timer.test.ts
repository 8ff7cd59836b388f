import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { type HomeHost, openHomeHost } from "./home-host.ts";
import { planned } from "./plan.ts";
import { waitFor } from "./pull-fixture.ts";

let at: HomeHost;
/** Waits on the VPS as long as a test holds it up. */
const gate = "touch /run/reached; while [ -e /run/held ]; do sleep 0.1; done";
/** Often enough for a test; the timer's wait at random is the least that there is. */
const often = { schedule: "*:*:0/5", randomizedDelay: "1s", pull: "never", audit: false };

before(async () => {
  at = await openHomeHost({ home: "debian12" });
  at.configure({ web1: at.entry({ ...often, hooks: { before: { user: "root", run: gate } } }) });
  await at.up();
});
after(() => at?.[Symbol.asyncDispose]());

const versions = () => at.run("cd /var/lib/borgpull/versions; readlink current-borgpull+prod; ls -d 0*");
const current = async () => (await versions()).split("\n")[0] ?? "";
const journal = (of: string) => at.run(`journalctl ${of} -o cat`);

test("a timer pulls at its time, by itself", async () => {
  const said = () => journal("-u borgpull-web1.service");
  await waitFor("a run's end", async () => /^Finished|^Failed/m.test(await said()), 120);
  assert.match(await said(), /^web1: good, .*\n.*Deactivated successfully.\nFinished/m);
  assert.match(await at.run("borgpull list web1"), / good /);
});

test("its units are as systemd wants them, and shut in", async () => {
  const verify = "systemd-analyze verify --man=no /etc/systemd/system/borgpull-*.{service,timer}";
  assert.equal(await at.run(`bash -c '${verify}'`), "");
  for (const unit of ["borgpull-web1", "borgpull-watch-borgpull-prod"]) {
    const said = await at.run(`systemd-analyze security --no-pager ${unit}.service | tail -n 1`);
    assert.ok(Number(/([\d.]+) OK/.exec(said)?.[1]) < 4, said);
  }
});

test("what somebody turned off, changed or removed shows in the preview, and up puts it right", async () => {
  const name = await current();
  const installed = `/var/lib/borgpull/versions/${name}`;
  await at.run(`systemctl disable --now --quiet borgpull-web1.timer
    systemctl stop borgpull-web1.service
    echo '// hm' >> ${installed}/pull/run.ts; rm ${installed}/templates/remote/facts.sh`);
  const wrong = `${name}, missing or changed: pull/run.ts, templates/remote/facts.sh`;
  assert.deepEqual(planned(await at.preview()), [
    "~ home-program (update)",
    `~ installed: "${wrong}" => "${name}"`,
    "~ web1-timer (update)",
    "~ active: false => true",
    "~ enabled: false => true",
  ]);
  await at.up();
  const timer = "borgpull-web1.timer";
  assert.equal(
    await at.run(`systemctl is-enabled ${timer}; systemctl is-active ${timer}`),
    "enabled\nactive\n",
  );
  await at.run(`! grep -q '// hm' ${installed}/pull/run.ts; test -s ${installed}/templates/remote/facts.sh`);
});

test("neither a checkout that changes nor an upgrade disturbs a pull that is under way", async () => {
  const first = await current();
  await at.vps.run("touch /run/held; rm -f /run/reached");
  await at.vps.run("until [ -e /run/reached ]; do sleep 0.1; done", { timeoutSeconds: 120 });
  const pid = (await at.run("systemctl show borgpull-web1.service -p MainPID --value")).trim();
  // the middle of a `git pull`, and its end
  const whole = at.read("pull/run/conclude.ts");
  at.edit("pull/run/conclude.ts", "throw new Error('half a checkout')");
  at.edit("pull/run/conclude.ts", `// the next version\n${whole}`);
  await at.up();
  const second = await current();
  assert.notEqual(second, first);
  assert.equal(await versions(), `${[second, ...[first, second].toSorted()].join("\n")}\n`);
  assert.match(await at.run(`readlink /proc/${pid}/exe`), new RegExp(`/versions/${first}/`));
  await at.vps.run("rm /run/held");
  await waitFor("its end", async () => /^web1: (?!pulling)/m.test(await journal(`_PID=${pid}`)), 60);
  assert.match(await journal(`_PID=${pid}`), /^web1: good, /m);
  // the next one runs the next version
  const next = "readlink /proc/$(systemctl show borgpull-web1.service -p MainPID --value)/exe || true";
  await waitFor("the next pull", async () => (await at.run(next)).includes(second), 60);
});

test("shut in, the service still does all that a run may come to", async () => {
  await at.run("systemctl stop borgpull-web1.timer borgpull-web1.service");
  const as = async (words: string) => {
    const program = "/var/lib/borgpull/versions/current-borgpull+prod/cli/borgpull";
    const text = `[Service]\\nExecStart=\\nExecStart=${program} ${words} web1\\n`;
    await at.run(`mkdir -p /run/systemd/system/borgpull-web1.service.d
      printf '${text}' >/run/systemd/system/borgpull-web1.service.d/other.conf
      systemctl daemon-reload; systemctl start borgpull-web1.service`);
  };
  for (const words of ["check", "proof"]) await as(words);
  assert.match(await journal("-u borgpull-web1.service"), /check of the archives good.*files came back/s);
  await at.run("systemctl start borgpull-watch-borgpull-prod.service");
});

test("a user's own systemd pulls as well", async () => {
  const { address, hostKey } = at.entry({});
  const hosts = {
    web2: {
      address,
      hostKey,
      paths: ["/etc"],
      instance: "second",
      schedule: "03:00",
      pull: "never",
      audit: false,
    },
  };
  const config = { "borgpull:repositories": "/home/me/backup", "borgpull:hosts": hosts };
  fs.writeFileSync(path.join(at.home.root, "opt/borgpull/Pulumi.mine.yaml"), JSON.stringify({ config }));
  await at.run(`useradd --create-home me
    cp -r /root/.ssh /home/me/
    mkdir /home/me/pulumi /home/me/backup
    chown -R me: /home/me /opt/borgpull/Pulumi.mine.yaml
    chmod o+w /opt/borgpull
    loginctl enable-linger me`);
  const asMe = (script: string) =>
    at.run(`export HOME=/home/me PULUMI_BACKEND_URL=file:///home/me/pulumi PULUMI_STACK=mine
      setpriv --reuid=me --regid=me --init-groups sh -c '${script}'`);
  await asMe("pulumi stack init mine --non-interactive && pulumi up --yes --skip-preview --non-interactive");
  await asMe("pulumi preview --expect-no-changes --non-interactive");
  const said = await asMe(`export XDG_RUNTIME_DIR=/run/user/$(id -u)
    systemctl --user is-active borgpull-web2.timer
    systemctl --user start borgpull-web2.service
    borgpull list web2
    borgpull status web2`);
  assert.match(said, /^active\n(.*\n)*.* good .*web2-/);
  assert.match(said, /^web2 +good .* in \d+ (h|min) /m);
});

test("after destroy no unit and no program is left, and the backups are", async () => {
  await at.run("BORGPULL_PULL=never pulumi destroy --yes --skip-preview --non-interactive");
  assert.equal(
    await at.run(
      "ls /etc/systemd/system | grep borgpull || true; ls /var/lib/borgpull | grep versions || true",
    ),
    "",
  );
  await at.run("test -s /srv/backup/web1/config");
});
