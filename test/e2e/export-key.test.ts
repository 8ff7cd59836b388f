import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { keyExportState } from "../../pull/key-export.ts";
import { openLedger } from "../../pull/ledger.ts";
import { newRun } from "../../pull/run.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { borgByHand, makeLocalJob } from "./prune-fixture.ts";
import { makeHome, passphrase } from "./pull-fixture.ts";

/** Plain borg, on a machine that has never seen the repository. */
function plainBorg(home: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync("borg", args, {
    input,
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: home, BORG_BASE_DIR: home, BORG_PASSPHRASE: passphrase },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

const withoutKey = (config: string) => config.replace(/^key\s*=.*\n(?:\s+\S.*\n)*/m, "");

async function jobWithArchive(home: string, name: string): Promise<JobFile> {
  const job = await makeLocalJob(home, name, {});
  await borgByHand(job, ["create", `REPO::${name}-${newRun()}`, "/etc/hostname"]);
  return job;
}

function loseKey({ repository }: JobFile): void {
  const config = path.join(repository, "config");
  fs.writeFileSync(config, withoutKey(fs.readFileSync(config, "utf8")));
}

test("a repository that lost its key is readable again with the exported file and the passphrase", async () => {
  using home = makeHome();
  const job = await jobWithArchive(home.folder, "web1");
  const file = path.join(home.folder, "web1.key");

  const { code, stdout, stderr } = await borgpull(["export-key", "web1", "--to", file]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "");
  assert.ok(stderr.includes(job.passphraseFile) && !stderr.includes(passphrase), stderr);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.ok(!fs.readFileSync(file, "utf8").includes(passphrase));

  loseKey(job);
  plainBorg(home.folder, ["key", "import", job.repository, file]);
  assert.match(plainBorg(home.folder, ["list", "--short", job.repository]), /^web1-/);
});

test("the paper form, typed in line by line, does it too", async () => {
  using home = makeHome();
  const job = await jobWithArchive(home.folder, "web1");
  const { code, stdout, stderr } = await borgpull(["export-key", "web1", "--paper"]);
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes(job.repository), "it says which repository it is for");
  assert.ok(!stdout.includes(passphrase));

  loseKey(job);
  // borg asks for each line after its number.
  const typed = [...stdout.matchAll(/^ *(?:id|\d+): (.+)$/gm)].map(([, line]) => `${line}\n`).join("");
  plainBorg(home.folder, ["key", "import", "--paper", job.repository], `${typed}\n`);
  assert.match(plainBorg(home.folder, ["list", "--short", job.repository]), /^web1-/);

  const both = await borgpull(["export-key", "web1", "--paper", "--with-passphrase"]);
  assert.ok(both.stdout.includes(`\nPassphrase: ${passphrase}\n`), "only when it is asked for");
});

test("a file that is there is never overwritten, and nothing is recorded then", async () => {
  using home = makeHome();
  const job = await makeLocalJob(home.folder, "web1", {});
  const file = path.join(home.folder, "precious");
  fs.writeFileSync(file, "precious");
  const { code, stderr } = await borgpull(["export-key", "web1", "--to", file]);
  assert.equal(code, 2);
  assert.match(stderr, /is there already\. Give another name/);
  assert.equal(fs.readFileSync(file, "utf8"), "precious");
  assert.deepEqual(
    fs.readdirSync(home.folder).filter((name) => name.includes("precious")),
    ["precious"],
  );
  using ledger = openLedger(homePaths().stateDb);
  assert.equal(keyExportState(ledger, job), "never");
});

test("home knows whether the key was exported, and that another one was not", async () => {
  using home = makeHome();
  const job = await makeLocalJob(home.folder, "web1", {});
  await borgpull(["export-key", "web1", "--to", path.join(home.folder, "web1.key")]);
  using ledger = openLedger(homePaths().stateDb);
  assert.equal(keyExportState(ledger, job), "done");
  assert.equal(keyExportState(ledger, { ...job, repository: "/nowhere" }), undefined);

  plainBorg(home.folder, ["key", "change-passphrase", job.repository]);
  assert.equal(keyExportState(ledger, job), "changed");
});

test("a key that home does not know is not exported", async () => {
  using home = makeHome();
  const job = await makeLocalJob(home.folder, "web1", {});
  const copy = path.join(homePaths().keyCopy("web1"), "config");
  fs.mkdirSync(path.dirname(copy), { recursive: true });
  fs.copyFileSync(path.join(job.repository, "config"), copy);
  plainBorg(home.folder, ["key", "change-passphrase", job.repository]);
  const { code, stdout, stderr } = await borgpull(["export-key", "web1"]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /not the one that home knows/);
});
