import { Command } from "commander";
import { noJobs } from "../pull/job.ts";
import type { FleetMember, State } from "../pull/status.ts";
import { describe } from "../schema/errors.ts";
import { exitCodes, worst } from "./exit-code.ts";
import { statusDetails } from "./status/details.ts";
import { asStatusJson } from "./status/json.ts";
import { nagiosUnknown, nagiosVerdict } from "./status/nagios.ts";
import { readStatus } from "./status/read.ts";
import { statusTable } from "./status/table.ts";

interface Options {
  readonly json?: boolean;
  readonly nagios?: boolean;
  readonly verbose?: boolean;
}

/** `borgpull status [JOB...]`: how jobs stand, from home's records alone. */
export function statusCommand(): Command {
  return new Command("status")
    .description(
      "show how jobs stand: last good backup, size, trust, next run, checks; without a name, all jobs",
    )
    .argument("[job...]", "names of jobs, as in the config")
    .option("--json", "as JSON")
    .option("--nagios", "one line and the exit codes of a Nagios plugin")
    .option("--verbose", "all that is known of each job")
    .addHelpText("after", help)
    .action(async (jobs: string[], options: Options) => {
      process.exitCode = options.nagios ? await nagios(jobs) : await show(jobs, options);
    });
}

const help = `
Age is that of the last good backup, beside the age at which it is stale. "!" marks what is late, failed or off.

Exit code: 0 all good, 1 warnings, 2 a run or a check failed, 3 tampered with, 4 stale or never backed up.
With --nagios: 0 OK, 1 WARNING, 2 CRITICAL (failed, tampered with, stale), 3 UNKNOWN.

Examples:
  borgpull status
  borgpull status web1 --verbose`;

async function show(jobs: readonly string[], { json = false, verbose = false }: Options): Promise<number> {
  const status = await readStatus(jobs);
  const { members, missing } = status;
  if (json) console.log(asStatusJson(status));
  else if (members.length === 0) {
    console.log(noJobs().message);
  } else {
    console.log(verbose ? statusDetails(status) : statusTable(status));
    if (missing) {
      console.log(`\nThere are no records of any run: ${missing} is not there. It comes with the first run.`);
    }
  }
  return members.length === 0 ? exitCodes.good : worst(members.map(exitCodeOfMember));
}

async function nagios(jobs: readonly string[]): Promise<number> {
  try {
    const { line, code } = nagiosVerdict(await readStatus(jobs));
    console.log(line);
    return code;
  } catch (error) {
    const { line, code } = nagiosUnknown(describe(error));
    console.log(line);
    return code;
  }
}

const exitCodesOfStates: Readonly<Record<State, number>> = {
  good: exitCodes.good,
  warning: exitCodes.warnings,
  failed: exitCodes.failed,
  tampered: exitCodes.tampered,
  stale: exitCodes.stale,
  never: exitCodes.stale,
};

export const exitCodeOfMember = (member: FleetMember): number =>
  member.kind === "unreadable" ? exitCodes.failed : exitCodesOfStates[member.standing.state];
