import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { PassThrough } from "node:stream";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { restoreFile } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { extract } from "../../pull/restore/extract.ts";
import { findArchive, planRestore, restore } from "../../pull/restore.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull, program } from "../borgpull.ts";
import { withoutRoot } from "../debian.ts";
import { backUp, borgByHand, makeLocalJob } from "./prune-fixture.ts";
import { makeHome, waitFor } from "./pull-fixture.ts";
import { makeTree, treeAt } from "./restore-fixture.ts";

const skip = withoutRoot;

let home: ReturnType<typeof makeHome>;
let job: JobFile;
let names: readonly string[] = [];

const at = (name: string): string => path.join(home.folder, name);

before(async () => {
  if (skip) return;
  home = makeHome();
  job = await makeLocalJob(home.folder, "web1", {});
  names = [
    await backUp(job, Date.parse("2026-11-01T03:00:00")),
    await backUp(job, Date.parse("2026-11-02T03:00:00"), { files: 400 }),
  ];
});
after(() => home?.[Symbol.dispose]());

/** The name of the archive from which a restore would take. */
async function chosen(...words: readonly string[]): Promise<string> {
  const { code, stderr } = await borgpull(["restore", "web1", ...words, "--dry-run"]);
  assert.equal(code, 0, stderr);
  return /^web1: (web1-\S+) of /m.exec(stderr)?.[1] ?? stderr;
}

test("latest is the newest good archive, also before a path with a slash; a date the newest until then, by home's clock", {
  skip,
}, async () => {
  assert.equal(await chosen(), names[1]);
  assert.equal(await chosen(`${at("source")}/0`), names[1]);
  assert.equal(await chosen("2026-11-02T02:59"), names[0]);
  assert.equal(await chosen((names[0] as string).slice(0, 16)), names[0]);
});

test("a destination that may be meant for another machine is no folder of this one", { skip }, async () => {
  for (const to of ["web1:restore", "root@web1:/root/restore"]) {
    const { code, stderr } = await borgpull(["restore", "web1", "--to", to]);
    assert.equal(code, 2);
    assert.match(stderr, /is no JOB:\/FOLDER\. Name the job/);
    assert.equal(fs.existsSync(to), false);
  }
});

/** An archive made by no run, from a tar of evil-tar.py. */
async function makeEvil(): Promise<{ readonly victim: string }> {
  const victim = at("victim");
  if (fs.existsSync(at("evil.tar"))) return { victim };
  fs.mkdirSync(victim);
  fs.writeFileSync(path.join(victim, "secret"), "secret\n", { mode: 0o600 });
  execFileSync("mkfifo", [path.join(victim, "pipe")]);
  const script = fileURLToPath(new URL("evil-tar.py", import.meta.url));
  execFileSync("/usr/bin/python3", [script, at("evil.tar"), victim, job.repository]);
  await borgByHand(job, ["import-tar", "REPO::evil", at("evil.tar")]);
  return { victim };
}

test("an archive whose links lead out of the folder: plain borg follows them, a restore of ours writes nothing but its folder", {
  skip,
}, async () => {
  const { victim } = await makeEvil();
  const untouched = () => [treeAt(victim), fs.readdirSync(path.join(job.repository, "data/0")).sort()];
  const before = untouched();

  // That it is an attack: what borg does when nothing holds it.
  fs.cpSync(victim, at("kept"), {
    recursive: true,
    preserveTimestamps: true,
    filter: (file) => !file.endsWith("pipe"),
  });
  await restoreFile({ ...job, archive: "evil", path: "absolute", to: at("plain") }).catch(() => {});
  assert.equal(fs.readFileSync(path.join(victim, "secret"), "utf8"), "overwritten\n");
  fs.rmSync(victim, { recursive: true });
  fs.cpSync(at("kept"), victim, { recursive: true, preserveTimestamps: true });
  execFileSync("mkfifo", [path.join(victim, "pipe")]);
  fs.chmodSync(path.join(victim, "secret"), 0o600);
  const again = untouched();
  assert.deepEqual(Object.keys(again[0] as object), Object.keys(before[0] as object));

  const { code, stdout, stderr } = await borgpull([
    "restore",
    "web1",
    "evil",
    "--untrusted",
    "--to",
    at("held"),
  ]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /evil was not there when home last looked at the repository\./);
  assert.match(stderr, /warning\(s\): not all of it is as it was/);
  assert.deepEqual(untouched(), again);
  for (const folder of ["/etc", "/dev", "/proc/sys/kernel", "/"]) {
    assert.deepEqual(
      fs.readdirSync(folder).filter((name) => name.startsWith("evil-")),
      [],
    );
  }
  assert.equal(fs.existsSync(path.join(at("held"), "stolen")), false, "a file from outside was linked in");
  assert.equal(fs.readFileSync(path.join(at("held"), "harmless"), "utf8"), "as it should be\n");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  assert.doesNotMatch(stdout + stderr, /[\x00-\x09\x0b-\x1f]/);
});

test("an archive that no run of ours made is refused, until it is asked for as it is", { skip }, async () => {
  await makeEvil();
  const { code, stderr } = await borgpull(["restore", "web1", "evil", "--to", at("refused")]);
  assert.equal(code, 2);
  assert.match(stderr, /If you want it all the same, give --untrusted\.$/m);
  assert.equal(fs.existsSync(at("refused")), false);
});

test("an unprivileged user restores into a folder of its own, and is held to it as well", {
  skip,
}, async () => {
  const { victim } = await makeEvil();
  const [uid, gid] = [65534, 65534]; // nobody
  fs.chmodSync(home.folder, 0o711);
  fs.mkdirSync(at("user"));
  for (const name of ["repositories", "config", "state"])
    fs.cpSync(at(name), at(`user/${name}`), { recursive: true });
  const file = at("user/config/jobs/web1.json");
  fs.writeFileSync(file, fs.readFileSync(file, "utf8").replaceAll(`${home.folder}/`, `${home.folder}/user/`));
  execFileSync("chown", ["-R", `${uid}:${gid}`, at("user")]);
  fs.chmodSync(victim, 0o777);
  const env = {
    ...process.env,
    BORGPULL_CONFIG: at("user/config"),
    BORGPULL_STATE: at("user/state"),
    HOME: at("user"),
  };
  const as = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", program];
  const words = ["restore", "web1", "evil", "--untrusted", "--to", at("user/held")];
  const child = spawn("setpriv", [...as, ...words], { env, stdio: "inherit" });
  assert.deepEqual(await once(child, "close"), [1, null]);
  const harmless = path.join(at("user/held"), "harmless");
  assert.equal(fs.readFileSync(harmless, "utf8"), "as it should be\n");
  assert.equal(fs.statSync(harmless).uid, uid);
  assert.deepEqual(fs.readdirSync(victim).sort(), ["pipe", "secret"]);
  assert.equal(fs.readFileSync(path.join(victim, "secret"), "utf8"), "secret\n");
});

test("a folder in which the kernel's own file systems are mounted is refused", { skip }, async () => {
  fs.mkdirSync(at("system/proc"), { recursive: true });
  execFileSync("mount", ["-t", "proc", "none", at("system/proc")]);
  try {
    const { code, stderr } = await borgpull(["restore", "web1", "--to", at("system"), "--overwrite"]);
    assert.equal(code, 2);
    assert.match(stderr, /system has a file system of the kernel's in it \(proc\)/);
    assert.deepEqual(fs.readdirSync(at("system")), ["proc"]);
  } finally {
    execFileSync("umount", [at("system/proc")]);
  }
});

test("what is mounted in the folder gets its files, too", { skip }, async () => {
  const inside = path.relative("/", at("source"));
  const mounted = path.join(at("disks"), inside);
  fs.mkdirSync(mounted, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "none", mounted]);
  try {
    const { code, stderr } = await borgpull(["restore", "web1", "--to", at("disks"), "--overwrite"]);
    assert.equal(code, 0, stderr);
    assert.equal(fs.readdirSync(mounted).length, 400);
  } finally {
    execFileSync("umount", [mounted]);
  }
  assert.deepEqual(fs.readdirSync(mounted), []);
});

test("a full disk: what is wrong in one sentence, 2, and a pull right after is good", { skip }, async () => {
  fs.mkdirSync(at("small"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", at("small")]);
  try {
    const { code, stdout, stderr } = await borgpull(["restore", "web1", "--to", at("small/to")]);
    assert.equal(code, 2, stdout);
    assert.match(stderr, /^There is no room left in \S+small\/to: not all files were restored\. Make room/m);
    assert.equal(stdout, "");
  } finally {
    execFileSync("umount", [at("small")]);
  }
  await backUp(job, Date.parse("2026-11-03T03:00:00"));
});

test("a restore that is killed takes its borg with it, leaves no lock, and goes on with --overwrite", {
  skip,
}, async () => {
  const big = at("big");
  makeTree(path.join(big, "tree"));
  for (let n = 0; n < 2000; n++) fs.writeFileSync(path.join(big, `${n}`), `${n}\n`);
  await borgByHand(job, ["create", "REPO::many", big]);
  const child = spawn(program, ["restore", "web1", "many", "--untrusted", "--to", at("killed")], {
    stdio: "ignore",
  });
  const ended = once(child, "close");
  await waitFor(
    "the first files",
    () => fs.existsSync(at("killed")) && fs.readdirSync(at("killed")).length > 0,
  );
  child.kill("SIGKILL");
  await ended;
  await waitFor("the end of all that it started", () => processesOf(at("killed")).length === 0);
  const { code, stderr } = await borgpull([
    "restore",
    "web1",
    "many",
    "--untrusted",
    "--to",
    at("killed"),
    "--overwrite",
    "--numeric-ids",
  ]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(treeAt(path.join(at("killed"), big)), treeAt(big));
});

const processesOf = (text: string): readonly string[] =>
  fs.readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });

/** As a command has it while it works. */
function opened() {
  const lock = lockJob(homePaths().lock("web1"), "web1");
  const ledger = openLedger(homePaths().stateDb);
  return {
    open: { job: readJobFile(homePaths().jobFile("web1")), ledger },
    [Symbol.dispose]: () => {
      ledger[Symbol.dispose]();
      lock[Symbol.dispose]();
    },
  };
}

test("progress comes as a share that grows, and a cancelled restore says so", { skip }, async () => {
  using work = opened();
  const { open } = work;
  const { ledger } = open;
  const archive = await findArchive(open, "many");
  const plan = await planRestore({ ...open, archive, paths: [] });
  assert.ok(plan.files > 2000 && plan.items > plan.files);
  const options = { ...open, plan, overwrite: false, numericIds: true };
  const shares: number[] = [];
  await restore({
    ...options,
    to: { kind: "home", folder: at("watched") },
    onProgress: (share) => shares.push(share),
  });
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => a - b),
  );
  assert.equal(shares.at(-1), 1);
  const cancel = new AbortController();
  const cancelled = restore({
    ...options,
    to: { kind: "home", folder: at("cut") },
    signal: cancel.signal,
    onProgress: () => cancel.abort(),
  });
  await assert.rejects(cancelled, { name: "AbortError" });
  assert.match(ledger.events("web1", 1)[0]?.text ?? "", /: cancelled$/);
});

test("a borg that says nothing, as a hostile VPS's might, is given up after the job's stall limit", {
  skip,
}, async () => {
  const limits = { ...job.limits, stallSeconds: 1 };
  let killed = 0;
  const { outcome } = await extract(
    {
      job: { ...job, limits },
      ...{ archive: "many", paths: [], folder: at("silent"), where: "there", overwrite: false },
      ...{ state: homePaths().state, passphrase: "" },
    },
    () => {
      const ended = Promise.withResolvers<undefined>();
      const kill = () => {
        killed++;
        ended.resolve(undefined);
      };
      return { channel: new PassThrough(), stderr: new PassThrough(), ended: ended.promise, kill };
    },
  );
  assert.ok(killed > 0);
  assert.ok(outcome.kind === "failed");
  assert.match(outcome.error.message, /nothing came from borg for 1 s \(limits\.stall\)/);
});
