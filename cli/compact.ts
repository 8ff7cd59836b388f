import { Command } from "commander";
import { compact } from "../pull/care/compact.ts";
import { bytes, percent } from "../pull/quantities.ts";
import { statusLine } from "./status-line.ts";
import { withJob } from "./with-job.ts";

/** `borgpull compact JOB`: frees the room of what was removed. */
export function compactCommand(): Command {
  return new Command("compact")
    .description("free the room of what was pruned, unless the repository was tampered with")
    .argument("<job>", "name of a job, as in the config")
    .addHelpText(
      "after",
      `
What is freed is gone for good: what was pruned before cannot be brought back. So the newest good
archive is looked at first, and nothing is freed while tampering waits for your decision, or after a
check that has failed.

Example:
  borgpull compact web1`,
    )
    .action(compactOne);
}

async function compactOne(name: string): Promise<void> {
  await withJob("compact", name, async ({ job, ledger, signal }) => {
    const line = statusLine();
    line.show(`${name}: looking at the repository`);
    const onProgress = (share: number) => line.show(`${name}: compacting ${percent(share)}`);
    const { freedBytes } = await compact({ job, ledger, signal, onProgress }).finally(line.clear);
    console.log(`${name}: ${freedBytes > 0 ? `${bytes(freedBytes)} freed` : "there was nothing to free"}`);
  });
}
