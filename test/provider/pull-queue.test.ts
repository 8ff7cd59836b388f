import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { takeSlot } from "../../pull/attempts/queue.ts";
import { openLedger } from "../../pull/ledger.ts";
import { homePaths } from "../../schema/paths.ts";
import { waitFor } from "../e2e/pull-fixture.ts";
import { jobData } from "../job-file.ts";
import { startProvider } from "./driver.ts";
import { home, owner } from "./fixture.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-queue-"));
test.after(() => fs.rmSync(folder, { recursive: true }));
const env = { BORGPULL_CONFIG: `${folder}/config`, BORGPULL_STATE: `${folder}/state` };
const paths = homePaths(env);
const type = "borgpull:index:Pull";

/** A job of which there can be one run at a time; it has no repository, so that its run ends soon. */
function makeJob(job: string) {
  for (const name of ["jobs", "passphrases"]) fs.mkdirSync(`${folder}/config/${name}`, { recursive: true });
  fs.writeFileSync(paths.passphrase(job), "secret\n", { mode: 0o600 });
  const parts = {
    job,
    owner,
    repository: `${folder}/${job}`,
    passphraseFile: paths.passphrase(job),
    maxParallel: 1,
  };
  fs.writeFileSync(paths.jobFile(job), JSON.stringify(jobData(parts)), { mode: 0o600 });
  return { job, jobFile: paths.jobFile(job), pull: "always", staleAfterSeconds: 3600, home, owner };
}

const othersRun = () => takeSlot({ folder: paths.slots, job: "web1", limit: 1 });
const isInLine = () => fs.readdirSync(`${paths.slots}/waiting`).length > 0;
const runsOf = (job: string) => {
  using ledger = openLedger(paths.stateDb);
  return ledger.runs(job, 10);
};

test("the pull of pulumi up waits for its turn as any other run does, and Ctrl-C ends the waiting", async () => {
  await using provider = await startProvider(env);
  const slot = await othersRun();
  const first = provider.create(type, makeJob("db1"));
  first.catch(() => {});
  await waitFor("the pull to wait", isInLine);
  assert.deepEqual(runsOf("db1"), []);
  slot[Symbol.dispose]();
  await assert.rejects(first, /There is no borg repository/);
  assert.equal(runsOf("db1").length, 1);

  using _again = await othersRun();
  const second = provider.create(type, makeJob("mail1"));
  second.catch(() => {});
  await waitFor("the pull to wait", isInLine);
  await provider.cancel();
  await assert.rejects(second, /The run of mail1 was cancelled before it began/);
  assert.deepEqual(runsOf("mail1"), []);
});
