/** A home that prunes or compacts the job whose file is given, and does in the middle what it is told to. */
import { compact } from "../../pull/compact.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { prune } from "../../pull/prune.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgOf, type Middle } from "./prune-fixture.ts";

const [verb, file, middle] = process.argv.slice(2) as ["prune" | "compact", string, Middle];
const job = readJobFile(file);
using _lock = lockJob(homePaths().lock(job.job), job.job);
using ledger = openLedger(homePaths().stateDb);
let done = false;
const onProgress = () => {
  if (done) return;
  done = true;
  if (middle === "stop") process.kill(process.pid, "SIGSTOP");
  if (middle === "die") process.kill(process.pid, "SIGKILL");
  if (middle === "kill borg") process.kill(borgOf(process.pid) as number, "SIGKILL");
};
try {
  await (verb === "prune" ? prune : compact)({ job, ledger, onProgress });
} catch {
  process.exitCode = 2;
}
