import { Command } from "commander";
import { passes, retryWaitSeconds } from "../pull/attempts/retry.ts";
import { type Ledger, openLedger } from "../pull/ledger.ts";
import { tell } from "../pull/notify.ts";
import { type FleetMember, fleet, jobNames, prometheusText, type Standing } from "../pull/status.ts";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { ownerId } from "../schema/names.ts";
import { homePaths } from "../schema/paths.ts";
import { exitCodes } from "./exit-code.ts";
import { writeWhole } from "./public-file.ts";
import { forgetTold, rememberTold, wasTold } from "./watch/told.ts";

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
    .action(async (options: Options, command: Command) => {
      const { owner } = options;
      if (owner !== undefined && !ownerId.safeParse(owner).success) {
        command.error(`error: --owner is <project>/<stack>, and "${owner}" is not.`);
      }
      const problems = await watch(options);
      for (const problem of problems) console.error(problem);
      process.exitCode = problems.length > 0 ? exitCodes.failed : exitCodes.good;
    });
}

const help = `
"pulumi up" makes a timer that runs it. Each channel hears of each change once; a channel that cannot be reached is tried again
by the next watch.

Exit code: 0 when all that there was to tell was told, whatever that was; 2 when not, or when a job file, home's records or
the file of metrics fail.

Example:
  borgpull watch --owner borgpull/prod --metrics /var/lib/prometheus/node-exporter/borgpull.prom`;

/** @returns sentences: what could not be read, written or told */
async function watch({ owner, metrics }: Options): Promise<readonly string[]> {
  const names = jobNames();
  if (names.length === 0) console.log("No job is declared on this machine.");
  // Made where there is none yet: a job that never ran is told of too, once.
  const records = names.length === 0 ? undefined : orWhyNot(() => openLedger(homePaths().stateDb));
  using ledger = records instanceof UserError ? undefined : records;
  const members = fleet(names, records);
  const written = metrics === undefined ? undefined : orWhyNot(() => writeMetrics(metrics, members));
  const watched = members.filter((member) => isOf(member, owner));
  // All at once: a channel that takes its time keeps no other job waiting.
  const untold = await Promise.all(watched.map((member) => look(member, ledger)));
  return [...(written instanceof UserError ? [written.message] : []), ...untold.flat()];
}

function orWhyNot<T>(work: () => T): T | UserError {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

const writeMetrics = (file: string, members: readonly FleetMember[]): void =>
  writeWhole(file, prometheusText(members), 0o644);

/** Whose a job is that cannot be read is not known: it is everybody's. */
const isOf = ({ job }: FleetMember, owner: string | undefined): boolean =>
  owner === undefined || job === undefined || job.owner === owner;

async function look(member: FleetMember, ledger: Ledger | undefined): Promise<readonly string[]> {
  if (member.kind === "unreadable") return await lookWithoutRecords(member);
  const { job, standing } = member;
  forgetTold(job.job);
  if (standing.state !== "good") console.log(`${job.job}: ${standing.state}. ${standing.problem}`);
  if (isTriedAgain(job, standing)) return [];
  return named(job.job, await tell({ job, ledger, standing }));
}

/** Its channels are in the job file: with that one gone nobody can be told, and the exit code is all there is. */
async function lookWithoutRecords({
  name,
  job,
  problem,
  remedy,
}: Extract<FleetMember, { kind: "unreadable" }>): Promise<readonly string[]> {
  const why = `${problem} ${remedy}`;
  if (!job || wasTold(name, why)) return named(name, [why]);
  const untold = await tell({ job, standing: { state: "failed", stale: false, problem, remedy } });
  if (untold.length === 0) rememberTold(name, why);
  return named(name, [why, ...untold]);
}

/** Whoever began that run waits to try again, and tells of it if the last try fails. */
function isTriedAgain({ limits }: JobFile, { state, lastRun }: Standing): boolean {
  const { retries = 0, retryWaitSeconds: first = 60 } = limits;
  if (state !== "failed" || retries === 0 || !lastRun || !passes(lastRun.failure)) return false;
  return Date.now() - lastRun.finished < 1000 * retryWaitSeconds(retries, first);
}

const named = (job: string, sentences: readonly string[]): readonly string[] =>
  sentences.map((sentence) => `${job}: ${sentence}`);
