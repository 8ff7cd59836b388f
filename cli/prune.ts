import { styleText } from "node:util";
import { Command } from "commander";
import { type Planned, planPrune, prune } from "../pull/care/prune.ts";
import { clean } from "../pull/lines.ts";
import { percent } from "../pull/quantities.ts";
import { localTime } from "../pull/time.ts";
import { statusLine } from "./status-line.ts";
import { withJob } from "./with-job.ts";

/** `borgpull prune JOB`: removes the archives that the job's `keep` does not keep. */
export function pruneCommand(): Command {
  return new Command("prune")
    .description(
      "remove the archives that a job's keep does not keep, unless its repository was tampered with",
    )
    .argument("<job>", "name of a job, as in the config")
    .option("--dry-run", "print what would stay and go, and remove nothing")
    .addHelpText(
      "after",
      `
It frees no room: that is what "borgpull compact" does. Good runs do both by themselves, as often
as the job's care says. Nothing is removed while tampering waits for your decision, or after a
check that has failed.

Examples:
  borgpull prune web1 --dry-run
  borgpull prune web1`,
    )
    .action(async (job: string, { dryRun = false }: { readonly dryRun?: boolean }) => {
      await pruneOne(job, dryRun);
    });
}

async function pruneOne(name: string, dryRun: boolean): Promise<void> {
  await withJob("prune", name, async ({ job, ledger, signal }) => {
    const line = statusLine();
    line.show(`${name}: looking at the repository`);
    const onProgress = ({ doing, share }: { readonly doing: string; readonly share: number }) =>
      line.show(`${name}: ${doing} ${percent(share)}`);
    const plan = await (dryRun
      ? planPrune({ job, ledger, signal })
      : prune({ job, ledger, signal, onProgress })
    ).finally(line.clear);
    console.log(`${table(plan, dryRun)}\n${name}: ${summary(plan, dryRun)}`);
  });
}

/** A line for each archive: what becomes of it, when its run began, its name, and why. */
function table(plan: readonly Planned[], dryRun: boolean): string {
  const rows = plan.map(({ archive, stays, why }) => ({
    what: stays ? "stays" : dryRun ? "goes" : "gone",
    time: archive.started === undefined ? "" : localTime(archive.started),
    name: clean(archive.name, 80),
    why,
  }));
  const widest = Math.max(...rows.map(({ name }) => name.length));
  return rows
    .map(({ what, time, name, why }) => {
      const row = `${what.padEnd(5)}  ${time.padEnd(16)}  ${name.padEnd(widest)}  ${why}`;
      return what === "stays" ? row : styleText("yellow", row, { stream: process.stdout });
    })
    .join("\n");
}

function summary(plan: readonly Planned[], dryRun: boolean): string {
  const goes = plan.filter(({ stays }) => !stays).length;
  const stay = plan.length - goes;
  if (dryRun) return `${stay} of ${plan.length} archives would stay, ${goes} would go`;
  return `${stay} of ${plan.length} archives stay, ${goes} ${goes === 1 ? "is" : "are"} removed`;
}
