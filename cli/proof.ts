import { Command } from "commander";
import { checkRemedy } from "../pull/care/sound.ts";
import { clean } from "../pull/lines.ts";
import { proof } from "../pull/proof.ts";
import { exitCodes } from "./exit-code.ts";
import { statusLine } from "./status-line.ts";
import { type Open, withJob } from "./with-job.ts";

/** `borgpull proof JOB`: proves that files come back, now. */
export function proofCommand(): Command {
  return new Command("proof")
    .description(
      "prove that files come back: restore a sample of the newest good archive, and compare it with the VPS",
    )
    .argument("<job>", "name of a job, as in the config")
    .addHelpText("after", help)
    .action(proveOne);
}

const help = `
Restored are a file with the run's name, which every archive has, and up to 20 files at random, of up to
64 MB each. What has not changed on the VPS since, by its ctime and size, must have the same content there.
A VPS that is away is no reason to fail; one that lies can do so of its own files alone.

Example:
  borgpull proof web1

Exit code 1: the archive has nothing to prove it with; 2: something did not come back as it was.`;

async function proveOne(name: string): Promise<void> {
  const work = async ({ job, ledger, signal }: Open) => {
    const line = statusLine();
    const onStep = (text: string) => line.show(`${name}: ${text}`);
    const { outcome, problem, summary, archive } = await proof({ job, ledger, signal, onStep }).finally(
      line.clear,
    );
    console.log(`${name}: ${clean(archive, 100)}: ${summary}`);
    if (outcome === "ended") console.error(`${name}: nothing is proved. ${problem}`);
    if (outcome === "failed")
      console.error(`${name}: the proof failed: ${problem} ${checkRemedy(name, "proof")}`);
    process.exitCode = { good: exitCodes.good, ended: exitCodes.warnings, failed: exitCodes.failed }[outcome];
  };
  await withJob("proof", name, work, "Run it again.");
}
