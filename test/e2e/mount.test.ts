import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { isMounted } from "../../pull/mount.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { borgpull, program } from "../borgpull.ts";
import { withoutRoot } from "../debian.ts";
import { backUp, makeLocalJob } from "./prune-fixture.ts";
import { makeHome, waitFor } from "./pull-fixture.ts";

const withoutFuse =
  fs.existsSync("/dev/fuse") &&
  spawnSync("/usr/bin/python3", ["-c", "from borg.fuse_impl import llfuse; assert llfuse"]).status === 0
    ? false
    : "needs FUSE: apt install fuse3 python3-pyfuse3";
// Under CI nothing is skipped.
const skip = withoutRoot || (process.env.CI ? false : withoutFuse);

let home: ReturnType<typeof makeHome>;
let job: JobFile;
let names: readonly string[] = [];
const at = (name: string): string => path.join(home.folder, name);

before(async () => {
  if (skip) return;
  home = makeHome();
  job = await makeLocalJob(home.folder, "web1", {});
  for (const day of ["2026-11-01", "2026-11-02"]) {
    names = [...names, await backUp(job, Date.parse(`${day}T03:00:00`), { files: 3 })];
  }
});
after(() => home?.[Symbol.dispose]());

interface Mounted {
  readonly child: ChildProcess;
  readonly ended: Promise<number>;
  readonly said: () => string;
}

/** A person's `borgpull mount`, in a terminal's process group of its own, once it has said that it is there. */
async function mounted(...words: readonly string[]): Promise<Mounted> {
  const child = spawn(program, ["mount", "web1", ...words], {
    stdio: ["ignore", "inherit", "pipe"],
    detached: true,
  });
  const ended = once(child, "close").then(([code]) => code as number);
  let said = "";
  child.stderr.on("data", (data: Buffer) => {
    said += data;
  });
  await waitFor("the mount", () => said.includes("Pulls of web1 wait") || child.exitCode !== null, 60);
  assert.equal(child.exitCode, null, said);
  return { child, ended, said: () => said };
}

const group = ({ child }: { readonly child: ChildProcess }): number => -(child.pid as number);

test("an archive is a folder to look into, read-only, for this user alone; nothing else works on the job meanwhile", {
  skip,
}, async () => {
  const folder = at("look");
  const run = await mounted(folder);
  const inside = path.join(folder, at("source"));
  assert.deepEqual(fs.readdirSync(inside).sort(), ["0", "1", "2"]);
  assert.deepEqual(fs.readFileSync(path.join(inside, "0")), fs.readFileSync(path.join(at("source"), "0")));
  assert.throws(() => fs.writeFileSync(path.join(inside, "0"), "x"), { code: "EROFS" });
  const options = execFileSync("findmnt", ["-no", "OPTIONS", folder], { encoding: "utf8" });
  for (const option of ["ro", "nosuid", "nodev"]) assert.match(options, new RegExp(`\\b${option}\\b`));
  assert.doesNotMatch(options, /allow_other/);
  const other = spawnSync("setpriv", ["--reuid=65534", "--clear-groups", "ls", inside], { encoding: "utf8" });
  assert.match(other.stderr, /Permission denied/);
  const refused = await borgpull(["prune", "web1"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /Job web1 is being worked on by "borgpull mount" \(process \d+\), since /);
  process.kill(group(run), "SIGINT");
  assert.equal(await run.ended, 0);
  assert.match(run.said(), /web1-20261102\S+ of 2026-11-02 03:00 \(good\) is at .*look\. Pulls of web1 wait/);
  assert.equal(isMounted(folder), false);
  assert.equal(fs.existsSync(folder), false, "the folder that was made is left");
});

test("one of a date, in a folder that was there, ends when somebody else unmounts it; the folder stays", {
  skip,
}, async () => {
  const folder = at("older");
  fs.mkdirSync(folder);
  const run = await mounted("2026-11-01", folder);
  assert.match(run.said(), new RegExp(names[0] as string));
  execFileSync("fusermount3", ["-u", folder]);
  assert.equal(await run.ended, 0);
  assert.deepEqual(fs.readdirSync(folder), []);
});

test("it ends also while somebody still looks into it, and a backup right after is good", {
  skip,
}, async () => {
  const folder = at("ends");
  const run = await mounted(folder);
  const looking = spawn("sleep", ["600"], { cwd: path.join(folder, at("source")) });
  await once(looking, "spawn");
  try {
    process.kill(group(run), "SIGTERM");
    assert.equal(await run.ended, 0);
    assert.equal(isMounted(folder), false);
  } finally {
    looking.kill("SIGKILL");
  }
  await backUp(job, Date.parse("2026-11-03T03:00:00"));
});

test("a home that is killed takes the mount's borg with it, and its remains are tidied by the next mount", {
  skip,
}, async () => {
  const folder = at("killed");
  const first = await mounted(folder);
  first.child.kill("SIGKILL");
  await first.ended;
  await waitFor("the end of borg", () => {
    try {
      fs.statSync(folder);
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ENOTCONN";
    }
  });
  const second = await mounted(folder);
  assert.equal(fs.readdirSync(path.join(folder, at("source"))).length > 0, true);
  process.kill(group(second), "SIGINT");
  assert.equal(await second.ended, 0);
});

test("a folder with something in it, and a machine without FUSE, are refused in one sentence each", {
  skip,
}, async () => {
  const full = await borgpull(["mount", "web1", at("source")]);
  assert.equal(full.code, 2);
  assert.match(full.stderr, /source is not an empty folder\. Give one that is empty or absent\./);
  const without = await borgpull(["mount", "web1", at("without")], {
    env: { ...process.env, PATH: withoutFusePath() },
  });
  assert.equal(without.code, 2);
  assert.match(without.stderr, /^borg cannot mount on this machine: .* Install them: apt install fuse3/m);
  assert.equal(fs.existsSync(at("without")), false);
});

/** A PATH with a borg that finds no library for FUSE. */
function withoutFusePath(): string {
  const bin = at("bin");
  fs.mkdirSync(bin);
  fs.writeFileSync(
    path.join(bin, "borg"),
    '#!/bin/sh\nexport BORG_FUSE_IMPL=none\nexec /usr/bin/borg "$@"\n',
    { mode: 0o755 },
  );
  return `${bin}:${process.env.PATH}`;
}
