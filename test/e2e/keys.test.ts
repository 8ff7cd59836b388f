import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { keyExportState } from "../../pull/key-export.ts";
import { type Ledger, openLedger } from "../../pull/ledger.ts";
import { readConfig, readConfigCopy } from "../../pull/trust/config-file.ts";
import { gate } from "../../pull/trust/gate.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull, program } from "../borgpull.ts";
import { backUp, makeLocalJob } from "./prune-fixture.ts";
import { makeHome, passphrase } from "./pull-fixture.ts";
import { archiveNames } from "./rollback-fixture.ts";

let home: ReturnType<typeof makeHome>;
let job: JobFile;
let ledger: Ledger;
let archive: string;

before(async () => {
  home = makeHome();
  job = await makeLocalJob(home.folder, "web1", { daily: 1 });
  ledger = openLedger(homePaths().stateDb);
  archive = await backUp(job, Date.now());
});
after(() => {
  ledger?.[Symbol.dispose]();
  home?.[Symbol.dispose]();
});

/** Plain borg, on a machine that has never seen the repository. */
function plainBorg(args: readonly string[], input = ""): string {
  const machine = fs.mkdtempSync(path.join(home.folder, "machine-"));
  const { status, stdout, stderr } = spawnSync("borg", args, {
    input,
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: machine, BORG_BASE_DIR: machine, BORG_PASSPHRASE: passphrase },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A copy of the repository, whose key is lost. */
function withoutKey(): string {
  const copy = path.join(fs.mkdtempSync(path.join(home.folder, "lost-")), "web1");
  fs.cpSync(job.repository, copy, { recursive: true });
  const config = path.join(copy, "config");
  const text = fs.readFileSync(config, "utf8");
  fs.writeFileSync(config, text.replace(/^key\s*=.*\n(?:\s+\S.*\n)*/m, ""));
  return copy;
}

test("a file that is there is never overwritten by a key, and nothing is recorded then", async () => {
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
  assert.equal(keyExportState(ledger, job), "never");
});

test("a repository that lost its key is readable again with the exported file and the passphrase", async () => {
  const file = path.join(home.folder, "web1.key");
  const { code, stdout, stderr } = await borgpull(["export-key", "web1", "--to", file]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "");
  assert.ok(stderr.includes(job.passphraseFile) && !stderr.includes(passphrase), stderr);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.ok(!fs.readFileSync(file, "utf8").includes(passphrase));
  assert.equal(keyExportState(ledger, job), "done");
  assert.equal(keyExportState(ledger, { job: "db1", repository: "/nowhere" }), undefined);

  const lost = withoutKey();
  plainBorg(["key", "import", lost, file]);
  assert.equal(plainBorg(["list", "--short", lost]), `${archive}\n`);
});

test("the paper form, typed in line by line, does it too", async () => {
  const { code, stdout, stderr } = await borgpull(["export-key", "web1", "--paper"]);
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes(job.repository), "it says which repository it is for");
  assert.ok(!stdout.includes(passphrase));

  const lost = withoutKey();
  // borg asks for each line after its number.
  const typed = [...stdout.matchAll(/^ *(?:id|\d+): (.+)$/gm)].map(([, line]) => `${line}\n`).join("");
  plainBorg(["key", "import", "--paper", lost], `${typed}\n`);
  assert.equal(plainBorg(["list", "--short", lost]), `${archive}\n`);

  const both = await borgpull(["export-key", "web1", "--paper", "--with-passphrase"]);
  assert.ok(both.stdout.includes(`\nPassphrase: ${passphrase}\n`), "only when it is asked for");
  assert.match(
    stderr,
    /^web1: this is the key without its passphrase, .* neither this machine nor the VPS is\.\n$/,
  );
  assert.match(both.stderr, /^web1: this is the key and its passphrase: it belongs where neither /);
});

test("a key that home does not know is not exported, and gets no other passphrase", async () => {
  const config = path.join(job.repository, "config");
  const before = fs.readFileSync(config);
  plainBorg(["key", "change-passphrase", job.repository]);
  const { code, stdout, stderr } = await borgpull(["export-key", "web1"]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /not the one that home knows/);
  assert.equal((await borgpull(["passphrase", "web1"])).code, 3);
  assert.equal(read(), passphrase);
  fs.writeFileSync(config, before);
  await gate({ job, ledger });
  ledger.resolveBreaches("web1", "accept");
});

const read = () => fs.readFileSync(job.passphraseFile, "utf8").trim();
const namesBeside = () => fs.readdirSync(path.dirname(job.passphraseFile)).filter((name) => name !== "web1");

/** All that must hold after a change, however often it was begun. */
async function assertWhole(): Promise<void> {
  assert.equal((await gate({ job, ledger })).breach, undefined);
  assert.deepEqual(ledger.openBreaches("web1"), []);
  assert.deepEqual(ledger.openOperations("web1"), []);
  assert.deepEqual(await archiveNames(job), [archive], "the passphrase file opens the repository");
  assert.equal(
    readConfigCopy("web1")?.digest,
    readConfig(job.repository).digest,
    "home's copy of the key is the new one",
  );
}

test("a passphrase of one's own comes from a file or from the terminal, never twice the same", async () => {
  const file = path.join(home.folder, "mine");
  fs.writeFileSync(file, "my own words\n", { mode: 0o600 });
  const first = await borgpull(["passphrase", "web1", "--from-file", file]);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(read(), "my own words");
  const same = await borgpull(["passphrase", "web1", "--from-file", file]);
  assert.match(same.stderr, /is the one that the repository has/);

  const typed = spawnSync(
    "script",
    ["--quiet", "--return", "--command", `${program} passphrase web1 --type`, "/dev/null"],
    { input: "typed words\ntyped words\n", encoding: "utf8" },
  );
  assert.equal(read(), "typed words", typed.stdout);
  assert.ok(!typed.stdout.replace(/^.*?New passphrase/s, "").includes("typed words"), "it is not shown");
  await assertWhole();
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
const change = (to: string, deadly = "") =>
  spawnSync(process.execPath, [jobFile, homePaths().jobFile("web1"), to, deadly], { encoding: "utf8" });

test("killed before any step, run again, it is done, without a false alarm", async (t) => {
  const kept = namesBeside().length;
  const whole = change("passphrase of no kill");
  assert.deepEqual(JSON.parse(whole.stdout), steps, whole.stderr);
  for (const [index, step] of steps.entries()) {
    if (index === 0) continue; // nothing is done yet
    await t.test(step, async () => {
      const killed = change(`passphrase ${index}`, step);
      assert.equal(killed.signal, "SIGKILL", killed.stderr);
      if (step === "keeping the old passphrase") {
        const prune = await borgpull(["prune", "web1"]);
        assert.match(prune.stderr, /Run "borgpull passphrase web1" again/, "until then nothing else is done");
      }
      const again = await borgpull(["passphrase", "web1"]);
      assert.equal(again.code, 0, again.stderr);
      const begun = index >= steps.indexOf("opening the repository with it");
      assert.match(again.stdout, begun ? /begun before is done/ : /the passphrase is changed/);
      assert.equal(read() === `passphrase ${index}`, begun);
      assert.ok(!fs.existsSync(`${job.passphraseFile}.new`));
      await assertWhole();
    });
  }
  const all = steps.length;
  assert.equal(namesBeside().length, kept + all, "every passphrase that was in force is kept, once");
});

test("a passphrase that is given when an older change has to be ended first is the one in force then", async () => {
  change("from before", "copying the key");
  const file = path.join(home.folder, "another");
  fs.writeFileSync(file, "given now\n", { mode: 0o600 });
  const { stdout, stderr } = await borgpull(["passphrase", "web1", "--from-file", file]);
  assert.match(stdout, /begun before is done.*the passphrase is changed/s, stderr);
  assert.equal(read(), "given now");
  await assertWhole();
});
