/** A home that prunes, compacts or checks the job whose file is given, and does in the middle what it is told to. */
import { check } from "../../pull/care/check.ts";
import { compact } from "../../pull/care/compact.ts";
import { prune } from "../../pull/care/prune.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgOf, type CareVerb, type Middle } from "./prune-fixture.ts";

const [verb, file, middle] = process.argv.slice(2) as [CareVerb, string, Middle];
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
  if (verb === "check") await check({ job, ledger, kind: "repository", onProgress });
  else await (verb === "prune" ? prune : compact)({ job, ledger, onProgress });
} catch {
  process.exitCode = 2;
}
