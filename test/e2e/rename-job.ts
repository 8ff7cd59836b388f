/** A home to be killed: gives a job another name, and dies before the step that is named. */
import { renameJob } from "../../pull/rename.ts";

const [from, to, repository, deadly] = process.argv.slice(2) as [string, string, string, string | undefined];
const steps: string[] = [];
await renameJob({
  from,
  to,
  repository,
  onWarning: async () => {},
  onStep: (step) => {
    steps.push(step);
    if (step === deadly) process.kill(process.pid, "SIGKILL");
  },
});
console.log(JSON.stringify(steps));
