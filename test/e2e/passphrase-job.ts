/** A home to be killed: changes the passphrase of the job whose file is given, and dies before the step that is named. */
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { changePassphrase } from "../../pull/passphrase-change.ts";
import { homePaths } from "../../schema/paths.ts";

const [file, passphrase, deadly] = process.argv.slice(2) as [string, string, string | undefined];
const job = readJobFile(file);
using _lock = lockJob(homePaths().lock(job.job), job.job);
using ledger = openLedger(homePaths().stateDb);
const steps: string[] = [];
await changePassphrase({
  job,
  ledger,
  passphrase,
  onStep: (step) => {
    steps.push(step);
    if (step === deadly) process.kill(process.pid, "SIGKILL");
  },
});
console.log(JSON.stringify(steps));
