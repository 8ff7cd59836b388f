import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Ledger, openLedger } from "../../pull/ledger.ts";
import { gate } from "../../pull/trust/gate.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { backUp, makeLocalJob } from "./prune-fixture.ts";
import { makeHome, passphrase } from "./pull-fixture.ts";

let home: ReturnType<typeof makeHome>;
let ledger: Ledger;
let job: JobFile;
let archive: string;

before(async () => {
  home = makeHome();
  ledger = openLedger(homePaths().stateDb);
  job = await makeLocalJob(home.folder, "web", {});
  const { passphrase: file } = homePaths();
  fs.writeFileSync(`${file("web")}.old-1`, "old\n", { mode: 0o600 });
  fs.writeFileSync(file("web10"), "of another job\n", { mode: 0o600 });
  archive = await backUp(job, Date.now());
});
after(() => {
  ledger?.[Symbol.dispose]();
  home?.[Symbol.dispose]();
});

const program = fileURLToPath(new URL("rename-job.ts", import.meta.url));
const rename = (from: string, to: string, deadly = "", repository = job.repository) =>
  spawnSync(process.execPath, [program, from, to, repository, deadly], { encoding: "utf8" });
const steps = (name: string) => [
  "recording the new name",
  `moving repositories/${name}`,
  `moving passphrases/${name}`,
  `moving passphrases/${name}.old-1`,
  "telling the VPS",
];

/** What `pulumi up` does next: the job's file under the new name. */
function called(name: string): void {
  const { jobFile, passphrase: file } = homePaths();
  fs.rmSync(jobFile(job.job));
  job = { ...job, job: name, passphraseFile: file(name) };
  fs.writeFileSync(jobFile(name), JSON.stringify(job), { mode: 0o600 });
}

for (const [index, step] of [...steps("web"), "none"].entries()) {
  test(`killed before this step, a renaming is done when it is begun again: ${step}`, async () => {
    const [from, to] = [job.job, `web${index}`];
    const killed = rename(from, to, step.replace("web", from));
    if (step === "none") assert.deepEqual(JSON.parse(killed.stdout), steps(from), killed.stderr);
    else assert.equal(killed.signal, "SIGKILL", killed.stderr);

    assert.equal(rename(from, to).status, 0);
    called(to);
    const { config } = homePaths();
    assert.equal(fs.readFileSync(job.passphraseFile, "utf8").trim(), passphrase);
    assert.deepEqual(
      fs.readdirSync(`${config}/passphrases`).toSorted(),
      [to, `${to}.old-1`, "web10"].toSorted(),
    );
    assert.deepEqual(fs.readdirSync(`${config}/repositories`), [to]);
    assert.equal((await gate({ job, ledger })).breach, undefined);
    assert.equal(ledger.lastGood(to)?.archive?.name, archive);
    assert.deepEqual(ledger.runs(from, 1), []);
    assert.deepEqual(
      ledger.openOperations(to).at(-1),
      { ...ledger.openOperations(to).at(-1), kind: "rename-cache", from, to },
      "the VPS, which cannot be reached, is told before the next run",
    );
  });
}

test("the next run under the last of its names finds nothing odd", async () => {
  archive = await backUp(job, Date.now());
  assert.deepEqual(ledger.openBreaches(job.job), []);
  assert.equal(ledger.lastGood(job.job)?.archive?.name, archive);
});

test("a name that has things of its own is not taken over, and without its repository a job keeps its name", async () => {
  const taken = rename(job.job, "web10");
  assert.equal(taken.status, 1);
  assert.match(taken.stderr, /web10 cannot be the new name of/);
  const missing = rename(job.job, "www", "", "/nowhere");
  assert.match(missing.stderr, /There is no borg repository at \/nowhere/);
  assert.ok(fs.existsSync(job.passphraseFile));
});
