import { Command } from "commander";
import { clean } from "../pull/lines.ts";
import { proof } from "../pull/proof.ts";
import { exitCodes } from "./exit-code.ts";
import { statusLine } from "./status-line.ts";
import { withJob } from "./with-job.ts";

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
Restored are a file with the run's name, which every archive has, and up to 20 files at random. What has
not changed on the VPS since, by its time and size, must have the same content there. A VPS can lie about
its own files, and about nothing else.

Example:
  borgpull proof web1

Exit code 2: something did not come back as it was.`;

async function proveOne(name: string): Promise<void> {
  await withJob(name, async ({ job, ledger, signal }) => {
    const line = statusLine();
    const onStep = (text: string) => line.show(`${name}: ${text}`);
    const { outcome, problem, summary, archive } = await proof({ job, ledger, signal, onStep }).finally(
      line.clear,
    );
    console.log(`${name}: ${clean(archive, 100)}: ${summary}`);
    if (outcome === "good") return;
    console.error(`${name}: the proof failed: ${problem} See docs/operations.md.`);
    process.exitCode = exitCodes.failed;
  });
}
