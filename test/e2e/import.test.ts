import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { homePaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { openProgram, type Program } from "./program.ts";

let program: Program;
const words = "words of a person, from years ago";

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
});
after(() => program?.[Symbol.asyncDispose]());

const repository = (job: string) => path.join(program.stack.repositories, job);
const configure = (job: string, more: Readonly<Record<string, unknown>> = {}) => {
  const { paths: _, ...host } = program.entry("web1");
  return program.configure({
    web1: { ...host, jobs: { [job]: { paths: ["/etc/ssh"], keep: { daily: 1 }, import: true, ...more } } },
  });
};

/** As a person had it before, with a borg of their own. */
function plainBorg(args: readonly string[], passphrase = words): string {
  return execFileSync("borg", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      BORG_BASE_DIR: path.join(program.stack.folder, "person"),
      BORG_PASSPHRASE: passphrase,
    },
  });
}

function oldRepository(job: string, encryption: string, archives: number): void {
  fs.mkdirSync(path.dirname(repository(job)), { recursive: true });
  plainBorg(["init", "--encryption", encryption, repository(job)]);
  const source = path.join(program.stack.folder, "source");
  fs.mkdirSync(source, { recursive: true });
  for (let n = 1; n <= archives; n++) {
    fs.writeFileSync(path.join(source, "file"), `content ${n}\n`);
    plainBorg(["create", `--timestamp=2020-01-0${n}T03:00:00`, `${repository(job)}::old-${n}`, source]);
  }
}

function givePassphrase(job: string, text: string): void {
  const file = homePaths(program.stack.env).passphrase(job);
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  fs.writeFileSync(file, `${text}\n`, { mode: 0o600 });
}

test("a repository from before is taken over: its archives are listed, come back, and are never pruned", async () => {
  oldRepository("web1", "repokey", 5);
  givePassphrase("web1", words);
  await configure("web1");
  const { code, out } = await program.up();
  assert.equal(code, 0, out);

  const { env } = program.stack;
  const list = await borgpull(["list", "web1", "--json"], { env });
  assert.equal(list.code, 0, list.stderr);
  const { archives } = JSON.parse(list.stdout) as { archives: { name: string; trust: string }[] };
  const olds = ["old-1", "old-2", "old-3", "old-4", "old-5"];
  assert.deepEqual(
    archives
      .filter(({ trust }) => trust === "before-us")
      .map(({ name }) => name)
      .toSorted(),
    olds,
  );
  assert.equal(archives.filter(({ trust }) => trust === "good").length, 1);
  for (let n = 0; n < 2; n++) {
    const run = await borgpull(["run", "web1"], { env });
    assert.equal(run.code, 0, run.stderr);
  }
  const prune = await borgpull(["prune", "web1"], { env });
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
  assert.equal(
    plainBorg(["extract", "--stdout", `${repository("web1")}::old-2`, `${source}/file`]),
    "content 2\n",
  );
  assert.equal(await program.clean(), 0);
});

test("what cannot be taken over is refused in a sentence, and stays as it is", async () => {
  oldRepository("kept", "keyfile", 0);
  givePassphrase("kept", words);
  await configure("kept");
  const keyfile = await program.up();
  assert.notEqual(keyfile.code, 0);
  assert.match(keyfile.out, /has no key in it: it was made with encryption "keyfile"/);

  oldRepository("other", "repokey-blake2", 0);
  givePassphrase("other", "not the right words");
  await configure("other");
  const wrong = await program.up();
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.out, /Put the repository's own passphrase into the passphrase file/);
  assert.equal(plainBorg(["list", repository("other")]), "");
});
