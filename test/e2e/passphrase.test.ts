import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readJobFile } from "../../pull/job.ts";
import { keyExportState } from "../../pull/key-export.ts";
import { openLedger } from "../../pull/ledger.ts";
import { runJob } from "../../pull/run.ts";
import { readConfig, readConfigCopy } from "../../pull/trust/config-file.ts";
import { gate } from "../../pull/trust/gate.ts";
import { openLab } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull, program } from "../borgpull.ts";
import { backUp, makeLocalJob } from "./prune-fixture.ts";
import { furnishVps, makeHome, makeJob, passphrase, settings } from "./pull-fixture.ts";
import { archiveNames } from "./rollback-fixture.ts";

const read = ({ passphraseFile }: JobFile) => fs.readFileSync(passphraseFile, "utf8").trim();
const namesBeside = ({ job, passphraseFile }: JobFile) =>
  fs.readdirSync(path.dirname(passphraseFile)).filter((name) => name !== job);

/** All that must hold after a change, however often it was begun. */
async function assertWhole(job: JobFile): Promise<void> {
  using ledger = openLedger(homePaths().stateDb);
  assert.equal((await gate({ job, ledger })).breach, undefined);
  assert.deepEqual(ledger.openBreaches(job.job), []);
  assert.deepEqual(ledger.openOperations(job.job), []);
  assert.ok((await archiveNames(job)).length > 0, "the passphrase file opens the repository");
  assert.equal(
    readConfigCopy(job.job)?.digest,
    readConfig(job.repository).digest,
    "home's copy of the key is the new one",
  );
}

test("a changed passphrase opens the repository, the old one is kept, and the next pull is good", async () => {
  await using lab = await openLab();
  using home = makeHome();
  const host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  const job = readJobFile(await makeJob(home, host, "web1"));
  await furnishVps(host, "web1");
  await settings(host, "web1", { roots: ["/etc/ssh"] });
  const first = await runJob(homePaths().jobFile("web1"));
  assert.equal(first.outcome, "good", JSON.stringify(first.failure));
  await borgpull(["export-key", "web1"]);

  const { code, stdout, stderr } = await borgpull(["passphrase", "web1"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /the passphrase is changed/);
  const now = read(job);
  assert.match(now, /^[\w-]{43}$/);
  assert.ok(![stdout, stderr].join().includes(now) && !stdout.includes(passphrase));
  const [old = "", ...more] = namesBeside(job);
  assert.deepEqual(more, []);
  const oldFile = path.join(path.dirname(job.passphraseFile), old);
  assert.ok(stdout.includes(oldFile));
  assert.equal(fs.readFileSync(oldFile, "utf8").trim(), passphrase);
  assert.equal(fs.statSync(oldFile).mode & 0o777, 0o600);
  assert.equal(fs.statSync(job.passphraseFile).mode & 0o777, 0o600);
  assert.equal(
    fs.readdirSync(homePaths().keyCopy("web1")).length,
    2,
    "the copy of the old key stays beside the new one",
  );

  const second = await runJob(homePaths().jobFile("web1"));
  assert.equal(second.outcome, "good", JSON.stringify(second.failure));
  assert.equal(second.breach, undefined);
  await assertWhole(job);
  using ledger = openLedger(homePaths().stateDb);
  assert.equal(keyExportState(ledger, job), "changed");
  const refused = spawnSync("borg", ["list", job.repository], {
    env: { PATH: process.env.PATH, BORG_BASE_DIR: home.folder, BORG_PASSPHRASE: passphrase },
  });
  assert.equal(refused.status, 2, "the old one opens it no more");
});

const jobFile = fileURLToPath(new URL("passphrase-job.ts", import.meta.url));
const steps = [
  "writing the new passphrase",
  "recording the intent",
  "changing the key",
  "opening the repository with it",
  "keeping the old passphrase",
  "putting the new one in its place",
  "copying the key",
  "recording it",
];

test("killed before any step, run again, it is done, without a false alarm", async (t) => {
  using home = makeHome();
  const job = await makeLocalJob(home.folder, "web1", {});
  await backUp(job, Date.now());
  const change = (to: string, deadly = "") =>
    spawnSync(process.execPath, [jobFile, homePaths().jobFile("web1"), to, deadly], { encoding: "utf8" });
  const whole = change("passphrase of no kill");
  assert.deepEqual(JSON.parse(whole.stdout), steps, whole.stderr);
  for (const [index, step] of steps.entries()) {
    await t.test(step, async () => {
      const killed = change(`passphrase ${index}`, step);
      assert.equal(killed.signal, "SIGKILL", killed.stderr);
      const again = await borgpull(["passphrase", "web1"]);
      assert.equal(again.code, 0, again.stderr);
      const begun = index >= steps.indexOf("opening the repository with it");
      assert.match(again.stdout, begun ? /begun before is done/ : /the passphrase is changed/);
      assert.equal(read(job) === `passphrase ${index}`, begun);
      assert.ok(!fs.existsSync(`${job.passphraseFile}.new`));
      await assertWhole(job);
    });
  }
  assert.equal(namesBeside(job).length, steps.length + 1, "every passphrase that was in force is kept, once");
});

test("until a change that was cut off is ended, nothing else is done, and that is what is said", async () => {
  using home = makeHome();
  const job = await makeLocalJob(home.folder, "web1", { daily: 1 });
  await backUp(job, Date.now());
  spawnSync(process.execPath, [
    jobFile,
    homePaths().jobFile("web1"),
    "another",
    "keeping the old passphrase",
  ]);
  const { code, stderr } = await borgpull(["prune", "web1"]);
  assert.equal(code, 2);
  assert.match(stderr, /Run "borgpull passphrase web1" again/);
  await borgpull(["passphrase", "web1"]);
  await assertWhole(job);
});

test("a passphrase of one's own comes from a file or from the terminal, never twice the same", async () => {
  using home = makeHome();
  const job = await makeLocalJob(home.folder, "web1", {});
  await backUp(job, Date.now());
  const file = path.join(home.folder, "mine");
  fs.writeFileSync(file, "my own words\n", { mode: 0o600 });
  assert.equal((await borgpull(["passphrase", "web1", "--from-file", file])).code, 0);
  assert.equal(read(job), "my own words");
  const same = await borgpull(["passphrase", "web1", "--from-file", file]);
  assert.match(same.stderr, /is the one that the repository has/);

  const typed = spawnSync(
    "script",
    ["--quiet", "--return", "--command", `${program} passphrase web1 --type`, "/dev/null"],
    { input: "typed words\ntyped words\n", encoding: "utf8" },
  );
  assert.equal(read(job), "typed words", typed.stdout);
  assert.ok(!typed.stdout.replace(/^.*?New passphrase/s, "").includes("typed words"), "it is not shown");
  await assertWhole(job);
});

test("a repository that was tampered with keeps its passphrase until that is decided", async () => {
  using home = makeHome();
  const job = await makeLocalJob(home.folder, "web1", {});
  await backUp(job, Date.now());
  fs.appendFileSync(path.join(job.repository, "config"), "\n# changed\n");
  const { code } = await borgpull(["passphrase", "web1"]);
  assert.equal(code, 3);
  assert.equal(read(job), passphrase);
});
