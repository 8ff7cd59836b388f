import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { runJob } from "../../pull/run.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull, program } from "../borgpull.ts";
import { borgByHand } from "./prune-fixture.ts";
import { editJob, furnishVps, makeHome, makeJob, passphrase, settings, waitFor } from "./pull-fixture.ts";
import { makeTreeOn, treeAt, treeOn } from "./restore-fixture.ts";

const bases = ["debian12", "debian13"] as const;

let lab: Lab;
let home: ReturnType<typeof makeHome>;
const hosts = new Map<string, Host>();
const host = (base: string): Host => hosts.get(base) as Host;

before(async () => {
  lab = await openLab();
  home = makeHome();
  for (const base of bases) {
    // sudo -n on one, root's own login on the other
    const login = base === "debian12" ? "root" : "admin";
    const booted = await lab.boot({ name: base, base, login });
    hosts.set(base, booted);
    const file = await makeJob(home, booted, base);
    await furnishVps(booted, base);
    await makeTreeOn(booted, "/srv/tree");
    await settings(booted, base, { roots: ["/srv", "/etc/ssh"] });
    // enough to be looked at, and ended, in the middle
    if (base === "debian13")
      await booted.run("mkdir /srv/many && head -c 60M /dev/urandom | split -b 100k -a 4 - /srv/many/");
    const { outcome, failure } = await runJob(file);
    assert.equal(outcome, "good", JSON.stringify(failure));
  }
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

for (const base of bases) {
  test(`a tree of ${base} comes back to home as it was: owners, modes, times, attributes, links, holes, names`, async () => {
    const to = path.join(home.folder, `to-${base}`);
    // all of it, or a part
    const paths = base === "debian12" ? [] : ["latest", "/srv/tree"];
    const { code, stdout, stderr } = await borgpull([
      ...["restore", base, ...paths],
      ...["--numeric-ids", "--to", to],
    ]);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      new RegExp(`^${base}: [\\d,]+ files, \\d+ folders and links, .* in \\d+ s, in ${to}\n$`),
    );
    assert.deepEqual(treeAt(path.join(to, "srv/tree")), await treeOn(host(base), "/srv/tree"));
    assert.equal(fs.statSync(to).mode & 0o7777, 0o700);
  });

  test(`a tree of ${base} comes back to the VPS as it was, and leaves nothing else there`, async () => {
    const there =
      "find /root /tmp /var/cache /var/lib/borgpull-account /run/borgpull* -not -path '/root/back*' | sort";
    const before = await host(base).run(there);
    const { code, stderr } = await borgpull([
      "restore",
      base,
      "latest",
      "srv/tree/",
      "--to",
      `${base}:/root/back`,
    ]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await treeOn(host(base), "/root/back/srv/tree"), await treeOn(host(base), "/srv/tree"));
    assert.equal((await host(base).run("stat -c %a /root/back; ls /root/back")).trim(), "700\nsrv");
    assert.equal(await host(base).run(there), before);
    assert.equal((await host(base).run("ps -eo args= | grep -c '[b]org' || true")).trim(), "0");
  });
}

test("one VPS's files come onto another one, whose borg is of another version", async () => {
  const { code, stderr } = await borgpull([
    "restore",
    "debian12",
    "latest",
    "/srv",
    "--to",
    "debian13:/root/other",
  ]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    await treeOn(host("debian13"), "/root/other/srv/tree"),
    await treeOn(host("debian12"), "/srv/tree"),
  );
});

test("while files go to a VPS, the passphrase is in no command line and no environment there, and afterwards in no file", async () => {
  const web = host("debian13");
  const child = spawn(program, ["restore", "debian13", "/srv/many", "--to", "debian13:/root/secret"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stderr = text(child.stderr);
  let searches = 0;
  let found = "";
  const ended = once(child, "close");
  while (child.exitCode === null) {
    const borg = await web.run(
      `secret=$(cat); pgrep -f 'extract --progress' >/dev/null && echo at-work
       for pid in /proc/[0-9]*; do
         case $pid in /proc/$$) continue ;; esac
         cat $pid/cmdline $pid/environ 2>/dev/null | grep -qaF -- "$secret" && tr '\\0' ' ' <$pid/cmdline
       done; true`,
      { stdin: passphrase },
    );
    if (borg.includes("at-work")) searches++;
    found += borg.replace("at-work\n", "");
  }
  const [code] = await ended;
  assert.equal(code, 0, await stderr);
  assert.ok(searches > 0, "borg was never seen at work");
  assert.equal(found, "");
  const files = await web.run(
    `secret=$(cat); { journalctl --no-pager; find /root /tmp /var/log /var/cache/borgpull /run -xdev -type f -not -path '*/many/*' -exec cat {} +; } |
       grep -qaF -- "$secret" && echo found || echo clean`,
    { stdin: passphrase },
  );
  assert.equal(files.trim(), "clean");
  await web.run("rm -r /root/secret");
});

test("a folder on the VPS that has something in it is refused, and with --overwrite what is in the way is replaced", async () => {
  const web = host("debian12");
  await web.run(
    "mkdir -p /root/full/srv/tree && echo old >/root/full/srv/tree/plain && echo mine >/root/full/mine",
  );
  const words = ["restore", "debian12", "latest", "/srv/tree/plain", "--to", "debian12:/root/full"];
  const refused = await borgpull(words);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /\/root\/full is not empty\. Give a folder/);
  assert.equal(await web.run("cat /root/full/srv/tree/plain"), "old\n");
  const done = await borgpull([...words, "--overwrite"]);
  assert.equal(done.code, 0, done.stderr);
  await web.run("cmp /srv/tree/plain /root/full/srv/tree/plain && grep -qx mine /root/full/mine");
});

test("a path that is not in the archive: one sentence, 2, and nothing is made", async () => {
  const to = path.join(home.folder, "nothing");
  const { code, stdout, stderr } = await borgpull(["restore", "debian12", "/srv/tre", "/srv", "--to", to]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /^\/srv\/tre is not in debian12-\S+\. Look what is: .*$/m);
  assert.equal(fs.existsSync(to), false);
});

test("a path with another at its beginning brings that one alone", async () => {
  const to = path.join(home.folder, "alone");
  const { code, stderr } = await borgpull(["restore", "debian13", "latest", "/srv/tree/folder", "--to", to]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(fs.readdirSync(path.join(to, "srv/tree")), ["folder"]);
  // its other name was not restored, so it is a file of its own
  assert.equal(fs.readFileSync(path.join(to, "srv/tree/folder/same file"), "utf8"), "content\n");
});

test("--dry-run lists what would come, in words that no terminal obeys, and makes nothing", async () => {
  const { code, stdout, stderr } = await borgpull([
    "restore",
    "debian12",
    "latest",
    "/srv/tree",
    "--dry-run",
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^-\s+300 kB\s{2}\/srv\/tree\/plain$/m);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\u202e]/);
});

test("Ctrl-C, which reaches every process of the terminal, ends a restore to a VPS on both sides; a pull right after is good", async () => {
  const web = host("debian13");
  const child = spawn(program, ["restore", "debian13", "latest", "/srv/many", "--to", "debian13:/root/cut"], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  const stderr = text(child.stderr);
  await waitFor(
    "the first files",
    async () => (await web.run("ls /root/cut/srv/many 2>/dev/null || true")) !== "",
  );
  process.kill(-(child.pid as number), "SIGINT");
  const [code] = await once(child, "close");
  assert.equal(code, 2);
  assert.match(await stderr, /cancelled/);
  await waitFor(
    "borg's end",
    async () => (await web.run("ps -eo args= | grep -c '[b]org' || true")).trim() === "0",
  );
  assert.ok(Number(await web.run("ls /root/cut/srv/many | wc -l")) < 600);
  const next = await runJob(homePaths().jobFile("debian13"));
  assert.equal(next.outcome, "good", JSON.stringify(next.failure));
  await web.run("rm -r /srv/many /root/cut");
});

test("no pull begins while a restore runs", async () => {
  const { repository } = readJobFile(homePaths().jobFile("debian12"));
  const to = path.join(home.folder, "meanwhile");
  fs.mkdirSync(to);
  const child = spawn(program, ["restore", "debian12", "--to", to, "--overwrite"], { stdio: "ignore" });
  const ended = once(child, "close");
  await waitFor("the first files", () => fs.readdirSync(to).length > 0);
  child.kill("SIGSTOP");
  const refused = await borgpull(["run", "debian12"]);
  child.kill("SIGCONT");
  assert.equal((await ended)[0], 0);
  assert.equal(refused.code, 75);
  assert.match(refused.stderr, /Job debian12 is being worked on/);
  assert.deepEqual(fs.existsSync(path.join(repository, "lock.exclusive")), false);
  using ledger = openLedger(homePaths().stateDb);
  assert.match(ledger.events("debian12", 1)[0]?.text ?? "", /^debian12-\S+ to .*meanwhile: done$/);
});

test("an archive whose links lead out of the folder is held to it on a VPS, too", async () => {
  const web = host("debian13");
  const job = readJobFile(homePaths().jobFile("debian12"));
  const script = fileURLToPath(new URL("evil-tar.py", import.meta.url));
  const tar = path.join(home.folder, "evil.tar");
  execFileSync("/usr/bin/python3", [script, tar, "/srv/victim", "/srv/repository"]);
  await borgByHand(job, ["import-tar", "REPO::evil", tar]);
  await web.run(
    "mkdir -p /srv/victim /srv/repository/data/0 && echo secret >/srv/victim/secret && mkfifo /srv/victim/pipe",
  );
  const look =
    "find /srv/victim /srv/repository; cat /srv/victim/secret; find / -xdev -name 'evil-*'; ls /dev /proc/sys/kernel";
  const before = await web.run(look);
  const { code, stderr } = await borgpull([
    "restore",
    "debian12",
    "evil",
    "--untrusted",
    "--to",
    "debian13:/root/evil",
  ]);
  assert.equal(code, 1, stderr);
  assert.equal(await web.run(look), before);
  assert.equal(await web.run("cat /root/evil/harmless"), "as it should be\n");
});

test("a hostile VPS that is to get files can change nothing at home, and is named", async () => {
  const web = host("debian13");
  const { repository } = readJobFile(homePaths().jobFile("debian12"));
  const look = () => fs.readdirSync(repository, { recursive: true, encoding: "utf8" }).sort();
  const before = look();
  await web.run("cat >/usr/local/bin/borg && chmod 755 /usr/local/bin/borg", {
    stdin: `#!/usr/bin/python3
import os
from borg.helpers import msgpack
answers = os.open("/in", os.O_RDONLY)
requests = os.open("/out", os.O_WRONLY)
def ask(number, method, arguments):
    os.write(requests, msgpack.packb({"i": number, "m": method, "a": arguments}))
    return os.read(answers, 1 << 20)
ask(1, "negotiate", {"client_data": {"client_version": (1, 4, 0)}})
ask(2, "open", {"path": "/./debian12", "create": False, "lock_wait": 1, "lock": True, "exclusive": False})
ask(3, "put", {"id": b"x" * 32, "data": b"evil", "wait": True})
`,
  });
  const { code, stderr } = await borgpull([
    ...["restore", "debian12", "/srv/tree/plain"],
    ...["--to", "debian13:/root/hostile"],
  ]);
  await web.run("rm /usr/local/bin/borg");
  assert.equal(code, 2);
  assert.match(stderr, /borg asked for "put", which home refused \(no restore asks for it\)/);
  assert.deepEqual(look(), before);
});

test("an administrator whom sudo refuses, and a VPS that does not answer, are named in one sentence each", async () => {
  const file = homePaths().jobFile("debian13");
  const words = ["restore", "debian12", "latest", "/srv/tree/plain", "--to", "debian13:/root/never"];
  await host("debian13").run("mkdir /root/sudoers && mv /etc/sudoers.d/* /root/sudoers");
  const refused = await borgpull(words);
  await host("debian13").run("mv /root/sudoers/* /etc/sudoers.d");
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /may not run commands as root without a password/);
  editJob(file, (job) => ({ ...job, admin: { ...job.admin, port: 24 } }));
  const away = await borgpull(words);
  assert.equal(away.code, 2);
  assert.match(away.stderr, /cannot be reached/);
});
