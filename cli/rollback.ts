import { Command } from "commander";
import { type RollbackResult, rollback } from "../pull/rollback/rollback.ts";
import { cancelling } from "./cancel.ts";
import { confirmation } from "./confirm.ts";
import { exitCodes } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";
import { statusLine } from "./status-line.ts";

interface Options {
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** `borgpull rollback JOB`: undo what a VPS did to its repository. */
export function rollbackCommand(): Command {
  return new Command("rollback")
    .description("take a job's repository back to what it was before it was tampered with, or after a run")
    .argument("<job>", "name of a job, as in the config")
    .option("--to <run>", "the run whose state is wanted (default: the last one before what was found)")
    .option("--dry-run", "only show what would be done")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      `
Nothing is deleted: what goes is moved into a folder of the repository. Cut off in its middle, it goes on when run again.

Examples:
  borgpull rollback web1 --dry-run    what would come back and what would go
  borgpull rollback web1              asks, then does it`,
    )
    .action(async (job: string, { to, dryRun = false, yes = false }: Options, command: Command) => {
      const file = jobFileOf(job);
      const confirm = dryRun ? async () => false : confirmation(command, job, yes);
      using cancel = cancelling();
      const line = statusLine();
      try {
        const { signal } = cancel;
        const onStep = (step: string) => line.show(`${job}: ${step}`);
        const onProgress = (share: number) =>
          line.show(`${job}: checking the repository ${Math.floor(share * 100)}%`);
        const result = await rollback(file, { to, dryRun, confirm, onStep, onProgress, signal });
        line.clear();
        process.exitCode = report(job, result);
      } catch (error) {
        line.clear();
        if (!cancel.signal.aborted) throw error;
        console.error(
          `${job}: cancelled. If the rollback had begun, run "borgpull rollback ${job}": it goes on where it was.`,
        );
        process.exitCode = exitCodes.failed;
      }
    });
}

function report(job: string, result: RollbackResult): number {
  switch (result.kind) {
    case "dry-run":
      console.log(result.preview);
      return exitCodes.good;
    case "declined":
      console.error(`${job}: nothing was changed.`);
      return exitCodes.failed;
    case "cache-forgotten":
      console.log(`${job}: borg's cache on the VPS is removed; the next pull reads every file again.`);
      return exitCodes.good;
    case "rolled-back": {
      const { back, leave, aside, problem, warning } = result;
      if (warning) console.error(`${job}: ${warning}`);
      if (problem) {
        console.error(
          `${job}: rolled back, but ${problem} What was found stays open. What was moved is in ${aside}; look at the disk, then run "borgpull rollback ${job}" or "borgpull accept ${job}".`,
        );
        return exitCodes.failed;
      }
      console.log(
        `${job}: rolled back; borg's check found nothing amiss. ${back.length} archive(s) came back, ${leave.length} went. What was moved is in ${aside}.`,
      );
      return warning ? exitCodes.warnings : exitCodes.good;
    }
  }
}
