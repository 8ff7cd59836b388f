import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { listArchives, restoreFile } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { JobBusyError } from "../../pull/lock.ts";
import { probe } from "../../pull/probe.ts";
import { runJob } from "../../pull/run.ts";
import { connect } from "../../remote/connect.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import {
  furnishVps,
  makeHome,
  makeJob,
  passphrase,
  reloadSshd,
  remains,
  settings,
  waitFor,
} from "./pull-fixture.ts";

let lab: Lab;
let home: ReturnType<typeof makeHome>;
let web1: Host;
let web1Job: string;

before(async () => {
  lab = await openLab();
  home = makeHome();
  web1 = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  web1Job = await makeJob(home, web1, "web1");
  await furnishVps(web1, "web1");
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

for (const base of ["debian12", "debian13"] as const) {
  test(`a first pull of ${base} makes an archive whose files come back as they were, an unchanged one adds next to nothing`, async () => {
    const host = await lab.boot({ name: `first-${base}`, base, login: "root" });
    const job = `first-${base}`;
    const file = await makeJob(home, host, job);
    await furnishVps(host, job);
    const first = await runJob(file);
    assert.equal(first.outcome, "good", JSON.stringify(first.failure));
    assert.ok(first.archive && first.figures);
    assert.equal(first.archive.name, `${job}-${first.run}`);
    assert.ok(first.figures.files > 100);

    const access = { repository: readJobFile(file).repository, passphraseFile: homePaths().passphrase(job) };
    const to = path.join(home.folder, "restored", job);
    const shadow = await restoreFile({ ...access, archive: first.archive.name, path: "/etc/shadow", to });
    assert.deepEqual(fs.readFileSync(shadow), fs.readFileSync(path.join(host.root, "etc/shadow")));

    const second = await runJob(file);
    assert.equal(second.outcome, "good");
    assert.ok((second.figures?.newBytes ?? Number.POSITIVE_INFINITY) < first.figures.newBytes / 20);
    const listed = await listArchives(access);
    assert.deepEqual(
      listed.map(({ id }) => id),
      [first.archive.id, second.archive?.id],
    );
    using ledger = openLedger(homePaths().stateDb);
    assert.equal(ledger.lastGood(job)?.run, second.run);
    assert.deepEqual(await remains(host, readJobFile(file)), []);
    await host.remove();
  });
}

test("a repository that is only authenticated is pulled into, also by a home that has lost its state", async () => {
  const file = await makeJob(home, web1, "open1", {}, "authenticated-blake2");
  await furnishVps(web1, "open1");
  await settings(web1, "open1", { roots: ["/etc/ssh"], conf: { unencrypted: "yes" } });
  assert.equal((await runJob(file)).outcome, "good");
  for (const part of ["borg", "state.db", "state.db-wal", "state.db-shm"])
    fs.rmSync(path.join(homePaths().state, part), { recursive: true, force: true });
  const again = await runJob(file);
  assert.equal(again.outcome, "good", JSON.stringify(again.failure));
  await furnishVps(web1, "web1");
});

test("progress comes while a pull runs, with the share of what the last one read", async () => {
  await web1.run("for i in 1 2 3 4 5 6 7 8; do head -c 1M /dev/urandom > /srv/big.$i; done");
  await settings(web1, "web1", { roots: ["/srv"], conf: { compression: "lzma,9" } });
  await runJob(web1Job);
  await web1.run("for i in 1 2 3 4 5 6 7 8; do head -c 1M /dev/urandom > /srv/big.$i; done");
  const shares: (number | undefined)[] = [];
  await runJob(web1Job, { onProgress: ({ share }) => shares.push(share) });
  assert.ok(
    shares.some((share) => share !== undefined && share > 0.2 && share < 1),
    String(shares),
  );
});

test("while a pull runs its passphrase is in no command line and no environment on either side, and afterwards in no file", async () => {
  // What the search can find, it finds in a process that has it.
  const leak = spawn("sleep", ["60"], { env: { LEAK: passphrase } });
  await once(leak, "spawn");
  await waitFor("the planted leak", () => processesWith(passphrase).length > 0);
  leak.kill();
  await once(leak, "close");

  await web1.run("head -c 20M /dev/urandom > /srv/big");
  await settings(web1, "web1", { roots: ["/srv"], conf: { compression: "lzma,9" } });
  const found = new Set<string>();
  let searches = 0;
  const result = await runJob(web1Job, {
    onProgress: ({ bytesRead }) => {
      if (bytesRead === 0) return;
      searches++;
      for (const hit of processesWith(passphrase)) found.add(hit);
    },
  });
  assert.equal(result.outcome, "good", JSON.stringify(result.failure));
  assert.ok(searches >= 3, `${searches} searches`);
  assert.deepEqual([...found], []);
  const files = await web1.run(
    `secret=$(cat)
    { journalctl --no-pager; find /etc /var/log /run/borgpull* /var/lib/borgpull-account /var/cache/borgpull /tmp -type f -exec cat {} +; } |
      grep -qaF -- "$secret" && echo found || echo clean`,
    { stdin: passphrase },
  );
  assert.equal(files.trim(), "clean");
  const atHome = fs
    .readdirSync(home.folder, { recursive: true, withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() && fs.readFileSync(path.join(entry.parentPath, entry.name)).includes(passphrase),
    )
    .map((entry) => entry.parentPath);
  assert.deepEqual([...new Set(atHome)], [path.join(home.folder, "config/passphrases")]);
});

test("nothing of the client's but the passphrase reaches borg, even where sshd accepts every BORG_ variable", async () => {
  await web1.run(
    "sed -i 's/AcceptEnv BORG_PASSPHRASE/AcceptEnv BORG_*/' /etc/ssh/sshd_config.d/60-borgpull.conf",
  );
  await reloadSshd(web1);
  await using connection = await connect(readJobFile(web1Job).pull);
  const BORG_PASSCOMMAND = "sh -c 'id > /tmp/proof-passcommand'";
  const env = {
    BORG_PASSPHRASE: "x",
    BORG_PASSCOMMAND,
    BORG_LOGGING_CONF: "/dev/stdin",
    BORG_RSH: "sh -c 'id > /tmp/proof-rsh'",
  };
  const { code } = await connection.exec("probe", { env });
  assert.equal(code, 0);
  const attempts = [
    "create run-12345;id",
    "create $(id)",
    "create ../../etc",
    "probe 1234567",
    "sh",
    "create aaaaaaaa aaaaaaaa",
    "",
  ];
  for (const attempt of attempts) {
    const { code, stdout } = await connection.exec(attempt, { env });
    assert.ok(code === 200 || code === 201, `${attempt}: ${code}`);
    assert.equal(stdout.length, 0);
  }
  assert.equal(await web1.run("ls /tmp | grep proof || true"), "");
});

test("a second run of a job that is being pulled is refused and names who pulls", async () => {
  await web1.run("head -c 20M /dev/urandom > /srv/big");
  const started = Promise.withResolvers<void>();
  const first = runJob(web1Job, { onProgress: () => started.resolve() });
  await started.promise;
  await assert.rejects(runJob(web1Job), (error) => {
    assert.ok(error instanceof JobBusyError);
    assert.match(error.problem, new RegExp(`web1 .*process ${process.pid}\\), since`));
    return true;
  });
  assert.equal((await first).outcome, "good");
});

test("whoever else connects to the socket is refused and told of", async () => {
  await web1.run("head -c 20M /dev/urandom > /srv/big");
  let stranger: Promise<string> | undefined;
  const result = await runJob(web1Job, {
    onProgress: ({ bytesRead }) => {
      if (bytesRead > 0)
        stranger ??= web1.run("timeout 5 nc -U -N $(ls /run/borgpull/*.sock) </dev/null | wc -c");
    },
  });
  assert.equal((await stranger)?.trim(), "0");
  assert.equal(result.outcome, "warning");
  assert.match(result.warnings.join(), /1 more connection/);
});

test("without nc the relay in Python carries the pull", async () => {
  await web1.run("mv /usr/bin/nc /usr/bin/nc.away");
  const { target, instance } = { target: readJobFile(web1Job).pull, instance: "borgpull" };
  const proved = await probe({ target, instance });
  const result = await runJob(web1Job);
  await web1.run("mv /usr/bin/nc.away /usr/bin/nc");
  assert.ok(proved.ok && proved.vps.relay === "python3", JSON.stringify(proved));
  assert.equal(result.outcome, "good", JSON.stringify(result.failure));
});

test("hooks run as the user they name, before and after", async () => {
  await web1.run("id -u app >/dev/null 2>&1 || useradd --create-home app; rm -f /home/app/*");
  await settings(web1, "web1", {
    roots: ["/home/app"],
    conf: {
      before_user: "app",
      before_run: `id -un > ~/dump; echo "it's dumped"`,
      after_user: "root",
      after_run: "id -un > /root/after; stat -c %U /home/app/dump >> /root/after; rm /home/app/dump",
    },
  });
  const notes: string[] = [];
  const result = await runJob(web1Job, { onNote: (note) => notes.push(note) });
  assert.equal(result.outcome, "good", JSON.stringify(result.failure));
  assert.ok(notes.includes("before hook: it's dumped"));
  assert.equal(await web1.run("cat /root/after"), "root\napp\n");
  const to = path.join(home.folder, "restored/hook");
  const { repository, passphraseFile } = readJobFile(web1Job);
  const archive = result.archive?.name ?? "";
  const dump = await restoreFile({ repository, passphraseFile, archive, path: "/home/app/dump", to });
  assert.equal(fs.readFileSync(dump, "utf8"), "app\n");
});

test("a pull waits for a change of this machine's backup settings to end", async () => {
  await settings(web1, "web1", { roots: ["/etc"] });
  await web1.run("rm -f /tmp/go; mkfifo /tmp/go");
  const change = web1.run("flock -x /run/borgpull.lock cat /tmp/go");
  await waitFor(
    "the lock",
    async () =>
      (await web1.run("flock -n -s /run/borgpull.lock true && echo free || echo held")).trim() === "held",
  );
  const pull = runJob(web1Job);
  await waitFor("borgctl to wait", async () => (await web1.run("pgrep -xc flock || true")).trim() === "2");
  await web1.run("echo > /tmp/go");
  await change;
  assert.equal((await pull).outcome, "good");
});

test("the socket of a run that was killed is swept by the next", async () => {
  await web1.run(
    `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/borgpull/dead-run-1.sock")'; touch -d '10 minutes ago' /run/borgpull/dead-run-1.sock`,
  );
  assert.equal((await runJob(web1Job)).outcome, "good");
  assert.deepEqual(await remains(web1, readJobFile(web1Job)), []);
});

function processesWith(secret: string): readonly string[] {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) =>
      ["environ", "cmdline"].flatMap((file) => {
        try {
          return fs.readFileSync(`/proc/${pid}/${file}`).includes(secret)
            ? [`${file} of ${fs.readFileSync(`/proc/${pid}/cmdline`, "utf8")}`]
            : [];
        } catch {
          return []; // it ended
        }
      }),
    );
}
