/** One job through its years, on one VPS: a repository from before, another pull key, another name, another disk. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { openProgram, type Program } from "./program.ts";
import { waitFor } from "./pull-fixture.ts";

let program: Program;
const never = { env: { BORGPULL_PULL: "never" } };
const words = "words of a person, from years ago";

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
});
after(() => program?.[Symbol.asyncDispose]());

const configure = (jobs: Readonly<Record<string, Readonly<Record<string, unknown>>>>, host = "web1") => {
  const { paths: _, ...entry } = program.entry("web1");
  const all = Object.entries(jobs).map(([name, job]) => [name, { paths: ["/etc/ssh"], ...job }]);
  return program.configure({ [host]: { ...entry, jobs: Object.fromEntries(all) } });
};

/** A run waits at its beginning for as long as there is `hold`. */
const [hold, reached] = ["hold", "reached"].map((name) => () => path.join(program.stack.folder, name)) as [
  () => string,
  () => string,
];
const settings = () => ({
  import: true,
  encryption: "repokey",
  keep: { daily: 1 },
  hooks: { atHome: { before: { run: `touch ${reached()}; while [ -e ${hold()} ]; do sleep 0.1; done` } } },
});

const home = () => homePaths(program.stack.env);
const read = (file: string) => fs.readFileSync(file, "utf8");
const below = (folder: string) => fs.readdirSync(path.join(home().config, folder)).toSorted();
const keys = () => below("keys").filter((name) => !name.includes("removed"));
const publicKey = (name: string) => read(path.join(home().config, "keys", name)).split(" ")[1] as string;
const keyLines = async () =>
  (await program.host("web1").run(`cat ${vpsPaths("borgpull").authorizedKeys}`)).trim().split("\n");
const repository = (job: string) => path.join(program.stack.repositories, job);
const run = (job: string) => borgpull(["run", job], { env: program.stack.env });

interface Listed {
  readonly archives: readonly { readonly name: string; readonly trust: string }[];
  readonly breaches: readonly unknown[];
}

async function list(job: string): Promise<Listed> {
  const { code, stdout, stderr } = await borgpull(["list", job, "--json"], { env: program.stack.env });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Listed;
}

async function assertClean(): Promise<void> {
  if ((await program.clean()) !== 0) assert.fail((await program.preview(never)).out);
}

/** As a person had it before, with a borg of their own. */
const plainBorg = (args: readonly string[]): string =>
  execFileSync("borg", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      BORG_BASE_DIR: path.join(program.stack.folder, "person"),
      BORG_PASSPHRASE: words,
    },
  });

function oldRepository(job: string, encryption: string, archives: number, passphrase = words): void {
  fs.mkdirSync(program.stack.repositories, { recursive: true });
  plainBorg(["init", "--encryption", encryption, repository(job)]);
  const source = path.join(program.stack.folder, "source");
  fs.mkdirSync(source, { recursive: true });
  for (let n = 1; n <= archives; n++) {
    fs.writeFileSync(path.join(source, "file"), `content ${n}\n`);
    plainBorg(["create", `--timestamp=2020-01-0${n}T03:00:00`, `${repository(job)}::old-${n}`, source]);
  }
  const file = home().passphrase(job);
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  fs.writeFileSync(file, `${passphrase}\n`, { mode: 0o600 });
}

test("a repository from before is taken over: its archives are listed, come back, and are never pruned; what cannot be taken over is refused in a sentence", async () => {
  oldRepository("web1", "repokey", 5);
  oldRepository("kept", "keyfile", 0);
  oldRepository("other", "repokey", 0, "not the right words");
  oldRepository("signed", "authenticated", 0);
  await configure({ web1: settings(), kept: settings(), other: settings(), signed: settings() });
  const { code, out } = await program.up();
  assert.notEqual(code, 0);
  assert.match(out, /kept has no key in it: it was made with encryption "keyfile"/);
  assert.match(out, /Put the repository's own passphrase into the passphrase file/);
  assert.match(
    out,
    /signed was made with encryption "authenticated", not "repokey"\. Set encryption: authenticated/,
  );
  assert.equal(plainBorg(["list", repository("other")]), "");

  const olds = ["old-1", "old-2", "old-3", "old-4", "old-5"];
  const { archives } = await list("web1");
  assert.deepEqual(
    archives
      .filter(({ trust }) => trust === "before-us")
      .map(({ name }) => name)
      .toSorted(),
    olds,
  );
  assert.equal(archives.filter(({ trust }) => trust === "good").length, 1, out);
  assert.equal((await run("web1")).code, 0);
  const prune = await borgpull(["prune", "web1"], { env: program.stack.env });
  assert.equal(prune.code, 0, prune.stderr);
  const left = plainBorg(["list", "--short", repository("web1")])
    .trim()
    .split("\n");
  assert.deepEqual(
    left.filter((name) => name.startsWith("old-")),
    olds,
  );
  assert.equal(left.length, 6, "of ours one is kept");
  const source = path.join(program.stack.folder, "source").slice(1);
  const file = plainBorg(["extract", "--stdout", `${repository("web1")}::old-2`, `${source}/file`]);
  assert.equal(file, "content 2\n");
});

test("another pull key takes the old one's place, and every run that begins meanwhile is good", async () => {
  const old = publicKey("web1.pub");
  await configure({ web1: { ...settings(), pullKeyGeneration: 2 } });
  const up = program.begin(["up", "--yes", "--skip-preview"], never);
  let ended = false;
  void up.ended.then(() => {
    ended = true;
  });
  const runs: { readonly code: number | null; readonly stderr: string }[] = [];
  do runs.push(await run("web1"));
  while (!ended);
  const { code, out } = await up.ended;
  assert.equal(code, 0, out);
  runs.push(await run("web1"));
  assert.deepEqual(
    runs.filter((run) => run.code !== 0).map(({ stderr }) => stderr),
    [],
  );
  assert.ok(runs.length > 2, "several runs took place");

  const lines = await keyLines();
  assert.equal(lines.length, 1, lines.join("\n"));
  assert.ok(lines[0]?.includes(publicKey("web1.2.pub")) && !lines[0]?.includes(old));
  assert.equal(
    below("keys").filter((name) => name.startsWith("web1.removed-")).length,
    2,
    "it was moved aside",
  );
  await assertClean();
});

test("a run that has read its job file before the change goes on with the new key", async () => {
  fs.rmSync(reached());
  fs.writeFileSync(hold(), "");
  const running = run("web1");
  await waitFor("the run to wait", () => fs.existsSync(reached()));
  await configure({ web1: { ...settings(), pullKeyGeneration: 3, audit: false } }); // which would wait for the run
  const { code, out } = await program.up(never);
  fs.rmSync(hold());
  assert.equal(code, 0, out);
  const { code: outcome, stderr } = await running;
  assert.equal(outcome, 0, stderr);
  assert.deepEqual(keys(), ["web1.3", "web1.3.pub"]);
});

test("a host and its job under another name wait for a run to end and keep all that they have, and the next pull is an unchanged one", async () => {
  const passphrase = read(home().passphrase("web1"));
  const key = read(home().pullKey("web1", 3));
  const before = (await list("web1")).archives;
  await configure({ www: { ...settings(), pullKeyGeneration: 3, renamedFrom: "web1" } }, "www");
  const up = program.begin(["up", "--yes", "--skip-preview"]); // pulls nothing: the last backup is young enough
  {
    using _run = lockJob(home().lock("web1"), "web1");
    await waitFor("it to wait", () => /waiting for the running pull to end/.test(up.text()), 60);
  }
  const { code, out } = await up.ended;
  assert.equal(code, 0, out);
  assert.equal(read(home().passphrase("www")), passphrase);
  assert.equal(read(home().pullKey("www", 3)), key);
  assert.deepEqual(keys(), ["www.3", "www.3.pub"]);
  for (const folder of ["passphrases", "repositories", "jobs"])
    assert.ok(!below(folder).some((name) => name.startsWith("web1")), folder);
  const { jobs, authorizedKeys } = vpsPaths("borgpull");
  const there = await program.host("web1").run(`ls ${jobs}; cat ${authorizedKeys}`);
  assert.ok(!there.includes("web1"), there);
  {
    using ledger = openLedger(home().stateDb);
    assert.deepEqual(ledger.runs("web1", 10), []);
    assert.ok(ledger.lastGood("www"));
  }
  assert.deepEqual((await list("www")).archives, before, "no pull was due");

  const next = await run("www");
  assert.equal(next.code, 0, next.stderr);
  assert.match(next.stdout, /archive www-/);
  const { archives, breaches } = await list("www");
  assert.deepEqual(breaches, []);
  assert.deepEqual(new Set(archives.map(({ trust }) => trust)), new Set(["before-us", "good"]));
  assert.ok(fs.existsSync(path.join(repository("web1"), "config")), "the repository stays where it is");
  await assertClean();
});

test("a repository that its person has moved is followed, and the next pull finds nothing odd at home or on the VPS", async () => {
  const now = path.join(program.stack.folder, "another disk", "www");
  const www = { ...settings(), pullKeyGeneration: 3, renamedFrom: "web1", repository: now };
  await configure({ www }, "www");
  const early = await program.up(never);
  assert.notEqual(early.code, 0);
  assert.match(early.out, new RegExp(`Move it there from ${repository("web1")} and run .pulumi up. again`));
  assert.ok(!fs.existsSync(now), "nothing is made, nothing moved");
  assert.equal((await run("www")).code, 0, "meanwhile it is pulled where it is");

  fs.mkdirSync(path.dirname(now), { recursive: true });
  fs.renameSync(repository("web1"), now);
  const { code, out } = await program.up({ env: { BORGPULL_PULL: "all" } });
  assert.equal(code, 0, out);
  assert.doesNotMatch(out, /replac/i);
  const { archives, breaches } = await list("www");
  assert.deepEqual(breaches, []);
  assert.deepEqual(new Set(archives.map(({ trust }) => trust)), new Set(["before-us", "good"]));
  await assertClean();
});

test("without renamedFrom another name begins another repository", async () => {
  await configure({ fresh: {} }, "www");
  const { out } = await program.preview(never);
  assert.match(out, /\+ borgpull:index:Repository: \(create\).*fresh-repository/s);
  assert.match(out, /- borgpull:index:Repository: \(delete\).*www-repository/s);
});
