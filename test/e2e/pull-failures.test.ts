import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { borgEnvironment } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { probe } from "../../pull/probe.ts";
import type { FailureKind } from "../../pull/result.ts";
import { runJob } from "../../pull/run.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import {
  dropIn,
  editJob,
  furnishVps,
  makeHome,
  makeJob,
  put,
  reloadSshd,
  remains,
  settings,
  waitFor,
} from "./pull-fixture.ts";

const job = "web1";
const vps = vpsPaths("borgpull");
let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;
let file: string;
let original: string;

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: job, base: "debian12", login: "root" });
  file = await makeJob(home, host, job);
  original = fs.readFileSync(file, "utf8");
  await furnishVps(host, job);
  await settings(host, job, { roots: ["/etc"] });
});

beforeEach(async () => {
  fs.writeFileSync(file, original);
  // Where no borgctl ran, nothing could remove the socket.
  await host.run("rm -f /run/borgpull/*");
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

/** A run that must fail for this reason, leave nothing behind, and be recorded. */
async function fails(kind: FailureKind, text = /./): Promise<void> {
  const result = await runJob(file);
  assert.equal(result.outcome, "failed");
  assert.equal(result.failure?.kind, kind, JSON.stringify(result.failure));
  assert.match(`${result.failure.problem} ${result.failure.remedy}`, text);
  assert.equal(result.archive, undefined);
  using ledger = openLedger(homePaths().stateDb);
  assert.deepEqual(ledger.runs(job, 1)[0]?.failure, result.failure);
}

/** The same by `probe`, which proves a VPS when it is made ready. */
async function probeFails(kind: FailureKind): Promise<void> {
  const result = await probe({ target: readJobFile(file).pull, instance: "borgpull" });
  assert.equal(result.ok ? "ok" : result.failure.kind, kind);
}

async function withDropIn(content: string, body: () => Promise<void>): Promise<void> {
  await put(host, vps.dropIn, "644", content);
  await reloadSshd(host);
  try {
    await body();
  } finally {
    await put(host, vps.dropIn, "644", dropIn("borgpull"));
    await reloadSshd(host);
  }
}

/** A file away for a while. */
async function without(path: string, body: () => Promise<void>): Promise<void> {
  await host.run(`mv ${path} ${path}.away`);
  try {
    await body();
  } finally {
    await host.run(`mv ${path}.away ${path}`);
  }
}

test("forwarding refused names both sshd settings", () =>
  withDropIn(dropIn("borgpull").replace("AllowTcpForwarding remote", "AllowTcpForwarding no"), async () => {
    await fails("forwarding-refused", /AllowTcpForwarding.*AllowStreamLocalForwarding/);
    await probeFails("forwarding-refused");
  }));

test("streamlocal forwarding refused, the same", () =>
  withDropIn(
    dropIn("borgpull").replace("AllowStreamLocalForwarding remote", "AllowStreamLocalForwarding no"),
    () => fails("forwarding-refused", /AllowStreamLocalForwarding/),
  ));

test("a passphrase that sshd does not accept is missed", () =>
  withDropIn(dropIn("borgpull").replace("AcceptEnv BORG_PASSPHRASE", "AcceptEnv LANG"), async () => {
    await fails("passphrase-missing", /AcceptEnv BORG_PASSPHRASE/);
    await probeFails("passphrase-missing");
    assert.deepEqual(await remains(host, readJobFile(file)), []);
  }));

test("MaxSessions 1 is enough", () =>
  withDropIn(dropIn("borgpull").replace("MaxSessions 2", "MaxSessions 1"), async () => {
    assert.equal((await runJob(file)).outcome, "good");
  }));

test("MaxSessions 0 is named", () =>
  withDropIn(dropIn("borgpull").replace("MaxSessions 2", "MaxSessions 0"), () =>
    fails("command-refused", /MaxSessions/),
  ));

test("no borg", () =>
  without("/usr/bin/borg", async () => {
    await fails("no-borg", /apt install borgbackup/);
    await probeFails("no-borg");
    assert.deepEqual(await remains(host, readJobFile(file)), []);
  }));

test("what borg says of its version is asked once of each file, and kept where only root writes", async () => {
  await settings(host, "web1", { roots: ["/etc/default"] });
  const asked = async () => Number(await host.run("grep -c -e --version /root/asked || :"));
  const noting = (word: string) =>
    put(
      host,
      "/usr/bin/borg",
      "755",
      `#!/bin/sh\n# ${word}\necho "$*" >> /root/asked\nexec /usr/bin/borg.away "$@"\n`,
    );
  await without("/usr/bin/borg", async () => {
    await noting("one");
    for (const _ of ["makes the folder", "finds it"]) await runJob(file);
    const kept = "/var/cache/borgpull/borg-version";
    assert.match(await host.run(`stat -c '%U %a' ${kept}; cat ${kept}`), /^root 600\n\S+ 1\.[24]\.\S+\n$/);
    const before = await asked();
    await runJob(file);
    assert.equal(await asked(), before, "the same file");
    await noting("another");
    assert.ok((await probe({ target: readJobFile(file).pull, instance: "borgpull" })).ok);
    assert.equal(await asked(), before + 1, "another file of the same name");
  });
});

for (const version of ["1.1.16", "2.0.0b4"]) {
  test(`borg ${version} is refused (a stand-in that says so)`, () =>
    without("/usr/bin/borg", async () => {
      await put(host, "/usr/bin/borg", "755", `#!/bin/sh\necho borg ${version}\n`);
      await fails("borg-version", new RegExp(version));
      await probeFails("borg-version");
    }));
}

test("no borgctl", () =>
  without(vps.borgctl, async () => {
    await fails("borgctl-missing");
    await probeFails("borgctl-missing");
  }));

test("no rule in sudoers", () =>
  without(vps.sudoers, async () => {
    await fails("sudo-refused", /sudo/);
    await probeFails("sudo-refused");
  }));

test("neither nc nor python3 can relay", () =>
  without("/usr/bin/nc", () => without(vps.relay, () => fails("no-relay"))));

test("job settings that others may write are not run as root", async () => {
  await host.run(`chmod 666 ${vps.jobs}/${job}.conf`);
  await fails("vps-settings", /root's alone/);
  await probeFails("vps-settings");
  await host.run(`chmod 644 ${vps.jobs}/${job}.conf`);
});

test("a wrong passphrase", async () => {
  const wrong = path.join(home.folder, "wrong");
  fs.writeFileSync(wrong, "not it\n", { mode: 0o600 });
  editJob(file, (data) => ({ ...data, passphraseFile: wrong }));
  await fails("passphrase-wrong");
});

test("a passphrase file that others may read is refused before anything is connected", async () => {
  const open = path.join(home.folder, "open");
  fs.writeFileSync(open, "x\n", { mode: 0o644 });
  editJob(file, (data) => ({ ...data, passphraseFile: open }));
  await fails("passphrase-missing", /chmod 600/);
});

test("a wrong host key is refused before a secret is sent", async () => {
  const other = fs
    .readFileSync(`${homePaths().pullKey(job)}.pub`, "utf8")
    .split(" ")
    .slice(0, 2)
    .join(" ");
  editJob(file, (data) => ({ ...data, pull: { ...data.pull, hostKeys: [other] } }));
  await fails("host-key");
});

test("a key that the VPS does not know", async () => {
  const other = path.join(home.folder, "other_key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", other]);
  editJob(file, (data) => ({ ...data, pull: { ...data.pull, auth: other } }));
  await fails("login-refused");
});

test("a host where nothing answers", async () => {
  editJob(file, (data) => ({ ...data, pull: { ...data.pull, port: 23 } }));
  await fails("unreachable");
});

test("a repository that another borg has locked", async () => {
  await settings(host, job, { roots: ["/etc"], conf: { lock_wait: "1" } });
  const { repository } = readJobFile(file);
  const holder = spawn("borg", ["with-lock", repository, "sleep", "60"], {
    env: borgEnvironment(homePaths().state),
    detached: true,
  });
  await waitFor("the repository's lock", () => fs.existsSync(path.join(repository, "lock.exclusive")));
  try {
    await fails("repository-locked");
  } finally {
    process.kill(-(holder.pid as number), "SIGTERM");
  }
  await waitFor("the lock's end", () => !fs.existsSync(path.join(repository, "lock.exclusive")));
  await settings(host, job, { roots: ["/etc"] });
});

test("no repository", async () => {
  editJob(file, (data) => ({ ...data, repository: path.join(home.folder, "nowhere") }));
  await fails("repository-missing", new RegExp(`rename .*/${job} to ${job}\\.lost `));
});

test("a full disk at home", async () => {
  const full = path.join(home.folder, "full");
  fs.mkdirSync(full);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", full]);
  try {
    const { repository } = readJobFile(file);
    fs.cpSync(repository, path.join(full, "repo"), { recursive: true });
    await host.run("head -c 30M /dev/urandom > /srv/big");
    await settings(host, job, { roots: ["/srv"] });
    editJob(file, (data) => ({ ...data, repository: path.join(full, "repo") }));
    await fails("disk-full-home");
  } finally {
    execFileSync("umount", [full]);
    // It knew a copy of the repository that went another way.
    await host.run(`rm -rf ${vps.home}/.cache ${vps.home}/.config`);
  }
});

test("a full disk on the VPS", async () => {
  const cache = "/var/cache/borgpull/read-all/.cache";
  await host.run(`rm -rf ${cache}; install -d -m 700 -o borgpull ${cache}
    mount -t tmpfs -o size=64k,uid=$(id -u borgpull) tmpfs ${cache}; head -c 60k /dev/zero > ${cache}/x || :`);
  await settings(host, job, { roots: ["/etc"] });
  await fails("disk-full-vps");
  await host.run(`umount ${cache}; rm -rf ${cache}`);
});

test("a before hook that fails: no backup, and the after hook has run", async () => {
  const conf = {
    before_user: "root",
    before_run: "echo no >&2; exit 3",
    after_user: "root",
    after_run: "touch /root/undone",
  };
  await settings(host, job, { roots: ["/etc"], conf });
  await fails("hook-failed", /exit code 3/);
  assert.equal(await host.run("ls /root/undone"), "/root/undone\n");
});

test("an after hook that fails: the backup is kept, with a warning", async () => {
  await settings(host, job, { roots: ["/etc"], conf: { after_user: "root", after_run: "exit 4" } });
  const result = await runJob(file);
  assert.equal(result.outcome, "warning", JSON.stringify(result.failure));
  assert.match(result.warnings.join(), /after hook failed with exit code 4/);
  assert.ok(result.archive);
});

test("a path that is not there is borg's own warning", async () => {
  await settings(host, job, { roots: ["/etc/hostname", "/nowhere"] });
  const result = await runJob(file);
  assert.equal(result.outcome, "warning", JSON.stringify(result.failure));
  assert.match(result.warnings.join(), /nowhere/);
  await settings(host, job, { roots: ["/etc"] });
});

test("a VPS that claims a backup it has not made is not believed", () =>
  without(vps.helper, async () => {
    const archive = (name: string) =>
      `{"archive":{"id":"${"ab".repeat(32)}","name":"${name}","duration":1,"stats":{"nfiles":1,"original_size":1,"compressed_size":1,"deduplicated_size":1}}}`;
    const greeting = `{"borgctl":"1","borg":"1.2.4","relay":"nc","privilege":"root"}`;
    await put(host, vps.helper, "755", `#!/bin/sh\ncat <<X\n${greeting}\n${archive("$2-$3")}\nX\n`);
    await fails("not-verified", /has no archive/);
  }));
