import { Command } from "commander";
import { clean } from "../pull/lines.ts";
import { accept } from "../pull/rollback/accept.ts";
import { cancelling } from "./cancel.ts";
import { confirmation } from "./confirm.ts";
import { exitCodes } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";
import { statusLine } from "./status-line.ts";

/** `borgpull accept JOB`: what was found is as it should be. */
export function acceptCommand(): Command {
  return new Command("accept")
    .description("take a job's repository as it is now, so that prune and compact go on")
    .argument("<job>", "name of a job, as in the config")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      "\nExample:\n  borgpull accept web1    shows what was found, asks, then takes it as it is",
    )
    .action(async (job: string, { yes = false }: { readonly yes?: boolean }, command: Command) => {
      const file = jobFileOf(job);
      using cancel = cancelling();
      const line = statusLine();
      try {
        const result = await accept(file, {
          confirm: confirmation(command, job, yes),
          onStep: (step) => line.show(`${job}: ${clean(step)}`),
          signal: cancel.signal,
        });
        line.clear();
        process.exitCode = report(job, result);
      } catch (error) {
        line.clear();
        if (!cancel.signal.aborted) throw error;
        console.error(`${job}: cancelled. Nothing was recorded.`);
        process.exitCode = exitCodes.failed;
      }
    });
}

function report(job: string, result: Awaited<ReturnType<typeof accept>>): number {
  if (result.kind === "nothing") {
    console.log(`${job}: nothing that was found waits for a decision.`);
    return exitCodes.good;
  }
  if (result.kind === "declined") {
    console.error(`${job}: nothing was changed.`);
    return exitCodes.failed;
  }
  console.log(`${job}: accepted. Pruning and compacting go on.`);
  if (result.doubtful.length === 0) return exitCodes.good;
  console.error(
    `${job}: ${result.doubtful.length} archive(s) no longer count as good: ${result.doubtful.map((name) => clean(name, 60)).join(", ")}`,
  );
  return exitCodes.warnings;
}
