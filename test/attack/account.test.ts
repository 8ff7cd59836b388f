/**
 * Somebody who has become the account of the pulls on a VPS (which the pull key alone does not make him): he may start pulls, so he gets
 * what a stolen key gets. This is about what he must not get: more of borg's rights, root's hooks, files of no job.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Host } from "../../sandbox/lab.ts";
import { addJob, callHelper, furnish, instance, paths, runAsAccount } from "./furnished.ts";
import { type Client, openssh } from "./openssh.ts";
import { ownRepository } from "./own-repository.ts";
import { workshop } from "./workshop.ts";

const { lab, folder } = await workshop();
let host: Host;
let client: Client;

before(async () => {
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  await host.run("mkdir -p /srv/web; echo page > /srv/web/page; useradd mallory");
  await furnish(host);
  const hooks = { before: { user: "root", run: "sh /root/hook" } };
  await addJob(host, "hooked", folder, { paths: ["/srv/web"], hooks });
  client = openssh(host, await addJob(host, "web1", folder, { paths: ["/srv/web"] }), folder);
});

const asAccount = (script: string) => runAsAccount(host, script);
const helper = `sudo -n ${paths.helper}`;

test("a package, a link or settings that he plants in his home do nothing to a borg that reads every file", async () => {
  await using own = await ownRepository(folder, "web1");
  await asAccount(`
    cd; umask 077
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    mkdir -p .local/lib/python$version/site-packages .config/borg/security/${own.id} .config/borg/keys .cache/borg/${own.id} .ssh
    echo 'open("/tmp/harm", "w").write(open("/etc/shadow").read())' > .local/lib/python$version/site-packages/usercustomize.py
    ln -s /etc/shadow .config/borg/security/${own.id}/location
    ln -s /etc/shadow .cache/borg/${own.id}/config
    ln -s /etc/shadow .cache/borg/${own.id}/README
    python3 -c pass`);
  assert.match(
    await asAccount("cat /tmp/harm"),
    /Permission denied|^$/,
    "the package is where Python looks, and runs as the account",
  );
  await host.run("rm -f /tmp/harm");
  const { code, stdout, stderr } = await own.pull(client, "planted-run-1");
  assert.doesNotMatch(
    stdout + stderr,
    /root:/,
    "borg quotes the file in which it keeps where the repository was",
  );
  assert.equal(await host.run("ls /tmp/harm 2>/dev/null || :"), "");
  assert.equal(code, 0, stderr);
  await asAccount("cd; rm -r .local .config .cache");
});

test("the folder in which borg keeps its cache cannot be reached by him", async () => {
  const seen = await asAccount(`
    ls /var/cache/${instance} /var/cache/${instance}/read-all && echo in
    echo x > /var/cache/${instance}/read-all/planted && echo in
    cd /var/cache/${instance}/read-all/.cache && echo in`);
  assert.doesNotMatch(seen, /^in$/m);
  assert.equal(seen.match(/Permission denied|can't cd/g)?.length, 4, seen);
});

test("root's hooks run in no folder of his, under no limit of his and with no variable of his", async () => {
  await host.run("cat > /root/hook", {
    stdin: `python3 -c 'import planted' 2>/dev/null && touch /tmp/harm
      head -c 100000 /dev/zero > /root/dump; stat -c %s /root/dump; pwd; ulimit -n; ulimit -s
      sed -n 's/^Sig\\(Blk\\|Ign\\):.0*/signals /p' /proc/self/status; env | sort\n`,
  });
  const said = await asAccount(`
    mkdir -p /tmp/his; cd /tmp/his; echo > planted.py
    export PYTHONPATH=/tmp/his IFS=/ ENV=/tmp/his/env BASH_ENV=/tmp/his/env PS4=his TMPDIR=/tmp/his LC_ALL=his TZ=his
    umask 0; trap '' PIPE CHLD; ulimit -Sf 8; ulimit -Sn 200; ulimit -Ss 1000; ${callHelper("create hooked hooked-run-1")}`);
  const lines = said.split("\n").filter((line) => line.startsWith('{"hook"'));
  const hook = lines.map((line) => (JSON.parse(line) as { says: string }).says);
  const expected = ["100000", "/", "1024", "8192", "signals ", "signals "];
  assert.deepEqual(hook.slice(0, expected.length), expected, said);
  assert.ok(hook.includes("BORGPULL_JOB=hooked"));
  assert.doesNotMatch(said, /=.*his/);
  assert.equal(await host.run("ls /tmp/harm 2>/dev/null || :; stat -c %a /root/dump"), "600\n");
});

test("the helper takes a job and a run, and sudo nothing but the helper", async () => {
  const calls = [
    "create web1",
    "create web1 run-12345 more",
    "create 'web1 run-12345'",
    "create web1 'run-12345 x'",
    "create web1 ../../tmp/x",
    "create web1 /tmp/x.sock",
    "create ../web1 run-12345",
    "create -x run-12345",
    "create web1 'run-12345\ntouch /tmp/harm'",
    "create web1 '$(touch /tmp/harm)'",
    "create WEB1 run-12345",
    "check ''",
    "check /etc",
    "remove web1",
  ].map((words) => `${helper} ${words}`);
  const more = [
    `sudo -n ${paths.borgctl} web1`,
    `sudo -n -s ${paths.helper} check web1`,
    `sudo -n -u mallory ${paths.helper} check web1`,
    `sudo -n -g shadow ${paths.helper} check web1`,
    `sudo -n -E ${paths.helper} check web1`,
    `sudo -n PATH=/tmp ${paths.helper} check web1`,
    `sudo -n -D /tmp ${paths.helper} check web1`,
    `sudo -n -R /tmp ${paths.helper} check web1`,
    `sudo -n -e ${paths.helper}`,
    `cp ${paths.helper} /tmp/helper; sudo -n /tmp/helper check web1`,
    "sudo -n sh -c 'touch /tmp/harm'",
  ];
  for (const call of [...calls, ...more]) {
    const said = await asAccount(`echo passphrase | ${call}; echo "code $?"`);
    assert.doesNotMatch(said, /^code 0$|"borgctl"/m, call);
  }
  assert.equal(await host.run("ls /tmp/harm 2>/dev/null || :"), "");
  assert.match(await asAccount(`${helper} check web1; echo "code $?"`), /^code 0$/m);
});

test("what others than root could have written is neither run nor read by the helper", async () => {
  const file = `${paths.jobs}/web1.conf`;
  const local = "/usr/local/bin";
  const damages: readonly (readonly [harm: string, undo: string, says: RegExp])[] = [
    [`chown mallory ${file}`, `chown root ${file}`, /web1\.conf is not root's alone/],
    [`chmod 664 ${file}`, `chmod 644 ${file}`, /web1\.conf is not root's alone/],
    [
      `mv ${file} /tmp/conf; ln -s /tmp/conf ${file}`,
      `mv /tmp/conf ${file}`,
      /web1\.conf is not root's alone/,
    ],
    [
      `chmod 666 ${paths.jobs}/web1.patterns`,
      `chmod 644 ${paths.jobs}/web1.patterns`,
      /web1\.patterns is not/,
    ],
    [
      `cat > ${local}/borg; chown mallory ${local}/borg; chmod 755 ${local}/borg`,
      `rm ${local}/borg`,
      /\/borg is not root's/,
    ],
    [
      `cat > ${local}/borg; chmod 755 ${local}/borg; chmod 1777 ${local}`,
      `rm ${local}/borg; chmod 755 ${local}`,
      /bin is not root's/,
    ],
    [
      `cat > /tmp/borg; chown mallory /tmp/borg; chmod 755 /tmp/borg; ln -s /tmp/borg ${local}/borg`,
      `rm ${local}/borg`,
      /\/borg is not root's/,
    ],
  ];
  for (const [harm, undo, says] of damages) {
    await host.run(harm, { stdin: "#!/bin/sh\ntouch /tmp/harm; echo borg 1.2.4\n" });
    const said = await asAccount(`${helper} check web1; echo "code $?"`);
    await host.run(undo);
    assert.match(said, says, harm);
    assert.match(said, /^code 2(07|10)$/m, harm);
  }
  assert.equal(await host.run("ls /tmp/harm 2>/dev/null || :"), "");
  assert.match(await asAccount(`${helper} check web1; echo "code $?"`), /^code 0$/m);
});
