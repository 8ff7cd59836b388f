import { Command } from "commander";
import { borgAtTerminal, borgCommand } from "../pull/attended/borg.ts";
import { attended } from "../pull/attended.ts";
import { borgVersion } from "../pull/borg.ts";
import { readJobFile } from "../pull/job.ts";
import { openLedger } from "../pull/ledger.ts";
import { lockJob } from "../pull/lock.ts";
import { breachRemedy, describeBreach } from "../pull/trust/describe.ts";
import { homePaths } from "../schema/paths.ts";
import { exitCodes } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";

/** `borgpull borg JOB -- ARGS...`: borg at home, on the job's repository, as the person's own work. */
export function borgCommandLine(): Command {
  return new Command("borg")
    .description("run borg at home on a job's repository, with its passphrase; what it changes is your own")
    .argument("<job>", "name of a job, as in the config")
    .argument("<args...>", "borg's command and options, after --; the repository need not be named")
    .addHelpText(
      "after",
      `
No pull begins meanwhile. Archives that you make or remove so are shown as "attended", and are no alarm.
The exit code is borg's; 3 while something was found in the repository that waits for your decision. Until then nothing is compacted.

Examples:
  borgpull borg web1 -- list
  borgpull borg web1 -- extract ::web1-20261123t024116z-e2aeeb etc/nginx
  borgpull borg web1 -- delete ::old-archive`,
    )
    .action(async (name: string, args: string[]) => {
      process.exitCode = await runBorg(name, args);
    });
}

async function runBorg(name: string, args: readonly string[]): Promise<number> {
  const job = readJobFile(jobFileOf(name));
  const { verb, rewritesLog } = borgCommand(name, args);
  const paths = homePaths();
  using _lock = lockJob(paths.lock(name), name, { by: "borgpull borg" });
  await borgVersion();
  using ledger = openLedger(paths.stateDb);
  const plan = { where: "home", what: `borg ${verb}`, rewritesLog } as const;
  const { result, breach } = await attended({ job, ledger, plan }, () => borgAtTerminal(job, args));
  if (!breach) return result;
  console.error(`${describeBreach(breach)} ${breachRemedy(name)}`);
  return exitCodes.tampered;
}
