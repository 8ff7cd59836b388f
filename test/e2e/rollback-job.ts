/** A home to be killed: rolls the job back whose file is given, dies before the step that is named, else tells what has come of it. */
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { rollback } from "../../pull/rollback/rollback.ts";
import { gate } from "../../pull/trust/gate.ts";
import { homePaths } from "../../schema/paths.ts";
import { archiveNames } from "./rollback-fixture.ts";

const [file, deadly] = process.argv.slice(2) as [string, string | undefined];
const steps: string[] = [];
const result = await rollback(file, {
  confirm: async () => true,
  onStep: (step) => {
    steps.push(step);
    if (step === deadly) process.kill(process.pid, "SIGKILL");
  },
});
const job = readJobFile(file);
using ledger = openLedger(homePaths().stateDb);
await gate({ job, ledger });
const {
  kind,
  back = [],
  leave = [],
  problem,
} = { back: undefined, leave: undefined, problem: undefined, ...result };
console.log(
  JSON.stringify({
    steps,
    kind,
    back: back.map(({ name }) => name),
    leave: leave.map(({ name }) => name),
    problem,
    archives: await archiveNames(job),
    good: ledger.lastGood(job.job)?.archive?.name,
    open: ledger.openOperations(job.job).map((operation) => operation.kind),
    breaches: ledger.openBreaches(job.job).length,
  }),
);
