import { Command } from "commander";
import { openLedger } from "../pull/ledger.ts";
import { tell } from "../pull/notify.ts";
import { type FleetMember, fleet, jobNames, prometheusText } from "../pull/status.ts";
import { ownerId } from "../schema/names.ts";
import { homePaths } from "../schema/paths.ts";
import { exitCodes } from "./exit-code.ts";
import { writeWhole } from "./public-file.ts";

interface Options {
  readonly owner?: string;
  readonly metrics?: string;
}

/** `borgpull watch`: what a timer runs each hour, so that somebody hears of a backup that did not come. */
export function watchCommand(): Command {
  return new Command("watch")
    .description("tell the channels of each job what has changed, above all that no good backup came in time")
    .option("--owner <project/stack>", "only the jobs of one Pulumi stack")
    .option("--metrics <file>", "write the metrics of all jobs to this file too")
    .addHelpText("after", help)
    .action(async ({ owner, metrics }: Options, command: Command) => {
      if (owner !== undefined && !ownerId.safeParse(owner).success) {
        command.error(`error: --owner is <project>/<stack>, and "${owner}" is not.`);
      }
      process.exitCode = await watch({ owner, metrics });
    });
}

const help = `
Example:
  $ borgpull watch --owner borgpull/prod --metrics /var/lib/prometheus/node-exporter/borgpull.prom

"pulumi up" makes a timer that runs it. Each channel hears of each change once; a channel that cannot be reached is tried again
by the next watch.
Exit code: 0 when all that there was to tell was told, whatever that was; 2 when not, or when a job file cannot be read.`;

async function watch({
  owner,
  metrics,
}: {
  owner: string | undefined;
  metrics: string | undefined;
}): Promise<number> {
  const names = jobNames();
  if (names.length === 0) {
    if (metrics !== undefined) writeWhole(metrics, prometheusText([]), 0o644);
    console.log("No job is declared on this machine.");
    return exitCodes.good;
  }
  // Made where there is none yet: a job that never ran is told of too, once.
  using ledger = openLedger(homePaths().stateDb);
  const members = fleet(names, ledger);
  if (metrics !== undefined) writeWhole(metrics, prometheusText(members), 0o644);
  const watched = members.filter((member) => isOf(member, owner));
  const problems: string[] = [];
  for (const member of watched) {
    if (member.kind === "unreadable") {
      problems.push(`${member.name}: ${member.problem} ${member.remedy}`);
      continue;
    }
    const { job, standing } = member;
    if (standing.state !== "good") console.log(`${job.job}: ${standing.state}. ${standing.problem}`);
    const failed = await tell({ job, ledger, standing });
    problems.push(...failed.map((sentence) => `${job.job}: ${sentence}`));
  }
  for (const problem of problems) console.error(problem);
  return problems.length > 0 ? exitCodes.failed : exitCodes.good;
}

/** Whose a job is that cannot be read is not known: it is everybody's. */
const isOf = (member: FleetMember, owner: string | undefined): boolean =>
  owner === undefined || member.kind === "unreadable" || member.job.owner === owner;
