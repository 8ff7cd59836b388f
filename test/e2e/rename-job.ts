/** A home to be killed: gives web1 the name www, and dies before the step that is named. */
import { renameJob } from "../../pull/rename.ts";

const [deadly] = process.argv.slice(2);
const steps: string[] = [];
await renameJob({
  from: "web1",
  to: "www",
  onWarning: async () => {},
  onStep: (step) => {
    steps.push(step);
    if (step === deadly) process.kill(process.pid, "SIGKILL");
  },
});
console.log(JSON.stringify(steps));
