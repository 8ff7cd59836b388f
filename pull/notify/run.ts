import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import type { Ledger } from "../ledger.ts";
import { clean } from "../lines.ts";
import { JobBusyError } from "../lock.ts";
import { bytes, count } from "../quantities.ts";
import type { RunResult } from "../result.ts";
import { standingOf } from "../status.ts";
import { type Ping, ping } from "./healthchecks.ts";
import { noteFailures, orElse } from "./note.ts";
import type { Situation } from "./notice.ts";
import { attempt, notTold } from "./send.ts";
import { tell } from "./tell.ts";

export interface NoticesOptions {
  readonly job: JobFile;
  readonly ledger: Ledger;
  readonly signal?: AbortSignal | undefined;
  /** Told who could not be told, and why. */
  readonly onNote?: ((text: string) => void) | undefined;
  /** It is tried again after such a result: nobody is told of this one. */
  readonly willRetry?: ((result: RunResult) => boolean) | undefined;
}

/** After a person has ended a run, nobody wants to wait. */
const hurriedSeconds = 5;

/**
 * Tells of a run that has begun: dead man's switches of its beginning, without waiting for them, and of its end; the other channels of
 * the job as it stands with that run. What the work gives or throws is given and thrown, whatever came of telling it.
 */
export async function withNotices(
  options: NoticesOptions,
  work: () => Promise<RunResult>,
): Promise<RunResult> {
  const begun = pingAll(options.job, "start", `Backup ${options.job.job}: begun`);
  const end = async (ended: RunResult | Error) => {
    for (const sentence of await tellEnd(options, begun, ended)) options.onNote?.(sentence);
  };
  let result: RunResult;
  try {
    result = await work();
  } catch (error) {
    await end(error as Error);
    throw error;
  }
  if (!options.willRetry?.(result)) await end(result);
  return result;
}

/**
 * Begins something that comes before a run is on record: its turn, its lock, home's records. Where that fails the channels hear of it
 * now, and each time anew, as nothing can be remembered. That a job is busy is told to nobody.
 */
export async function toldIfRefused<T>(
  { job, onNote }: Pick<NoticesOptions, "job" | "onNote">,
  begin: () => T | Promise<T>,
): Promise<T> {
  try {
    return await begin();
  } catch (error) {
    if (error instanceof UserError && !(error instanceof JobBusyError)) {
      for (const sentence of await tellEnd({ job }, Promise.resolve([]), error)) onNote?.(sentence);
    }
    throw error;
  }
}

type Failures = readonly (string | undefined)[];

async function tellEnd(
  { job, ledger, signal }: Partial<NoticesOptions> & Pick<NoticesOptions, "job">,
  begun: Promise<Failures>,
  ended: RunResult | Error,
): Promise<readonly string[]> {
  const standing = situationOf(job, ledger, ended);
  const limitSeconds = signal?.aborted ? hurriedSeconds : undefined;
  const which = wentWell(ended) ? "good" : "fail";
  // In this order: a start that comes last would be one without an end.
  const pinged = begun.then(async (failed) => [
    ...failed,
    ...(await pingAll(job, which, summary(job.job, ended, standing), limitSeconds)),
  ]);
  const [pings, notices] = await Promise.all([pinged, tell({ job, ledger, standing, limitSeconds })]);
  return [...noteFailures(job.job, ledger, pings), ...notices];
}

function pingAll(job: JobFile, which: Ping, text: string, seconds?: number): Promise<Failures> {
  return Promise.all(
    Object.entries(job.notify ?? {}).map(async ([name, channel]) => {
      if (channel.kind !== "healthchecks") return undefined;
      const problem = await attempt(channel, (signal) => ping(channel, which, text, signal), seconds);
      return problem && notTold(name, channel, problem);
    }),
  );
}

/** As exit codes have it: a breach that is open counts, whatever came of this run. A dump that is missing counts too: who watches the run relies on it. */
const wentWell = (ended: RunResult | Error): boolean =>
  "outcome" in ended &&
  !ended.breach &&
  !ended.failedDumps &&
  (ended.outcome === "good" || ended.outcome === "warning");

/** From the records; from what is known of the run alone where they cannot be read, or could not be written. */
function situationOf(job: JobFile, ledger: Ledger | undefined, ended: RunResult | Error): Situation {
  const failed = { state: "failed", stale: false } as const;
  if (ended instanceof UserError) return { ...failed, problem: ended.problem, remedy: ended.remedy };
  if (!ledger || !("outcome" in ended)) return { ...failed, problem: (ended as Error).message };
  const { outcome: state, failure } = ended;
  const known = failure ? { problem: failure.problem, remedy: failure.remedy } : {};
  return orElse<Situation>({ state, stale: false, ...known }, () => standingOf(job, ledger));
}

/** A few lines for the log of a dead man's switch. */
function summary(job: string, ended: RunResult | Error, { problem, remedy }: Situation): string {
  const { outcome, archive, figures }: Partial<RunResult> = "outcome" in ended ? ended : {};
  return [
    `Backup ${job}: ${outcome ?? "failed"}`,
    ...(problem ? [clean(problem)] : []),
    ...(remedy ? [clean(remedy)] : []),
    ...(figures
      ? [
          `${count(figures.files)} files, ${bytes(figures.originalBytes)} read, ${bytes(figures.newBytes)} new`,
        ]
      : []),
    ...(archive ? [clean(archive.name, 100)] : []),
  ].join("\n");
}
