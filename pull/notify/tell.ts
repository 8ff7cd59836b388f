import type { JobFile } from "../../schema/job-file.ts";
import type { Channel } from "../../schema/notify.ts";
import type { Ledger } from "../ledger.ts";
import { changeOf, late, type Told } from "./change.ts";
import { noteFailures, orElse } from "./note.ts";
import { noticeOf, type Situation } from "./notice.ts";
import { attempt, notTold, sendNotice } from "./send.ts";

export interface TellOptions {
  readonly job: JobFile;
  /** Left out: there are no records to be had, and nothing is remembered. */
  readonly ledger?: Ledger | undefined;
  /** How the job stands now: `standingOf(job, ledger)`. */
  readonly standing: Situation;
  /** How long a channel may take. @default 15, or 60 for a command */
  readonly limitSeconds?: number | undefined;
}

/**
 * Tells each channel of a job what has changed since it was told last, all at the same time.
 * @returns sentences: who could not be told, and why; they are in home's records too
 */
export async function tell(options: TellOptions): Promise<readonly string[]> {
  const { job, ledger, standing } = options;
  const state = stateToTell(standing);
  if (state === undefined) return [];
  const channels = Object.entries(job.notify ?? {});
  const failed = await Promise.all(channels.map(([name, channel]) => tellOne(options, state, name, channel)));
  return noteFailures(job.job, ledger, failed);
}

async function tellOne(
  { job, ledger, standing: situation, limitSeconds }: TellOptions,
  state: Told,
  name: string,
  channel: Channel,
): Promise<string | undefined> {
  if (channel.kind === "healthchecks") return undefined; // it hears of runs
  // Records that cannot be read keep nobody from hearing that home's disk is full.
  const before = orElse(undefined, () => ledger?.noticed(job.job, name)?.state);
  const { tell: told, remember } = changeOf(before, state, channel.on, situation.stale);
  if (told) {
    const was = before?.replace(late, "");
    const notice = noticeOf({ job, state: told, before: was, situation, now: Date.now() });
    const problem = await attempt(channel, (signal) => sendNotice(channel, notice, signal), limitSeconds);
    if (problem) return notTold(name, channel, problem);
  }
  if (remember) orElse(undefined, () => ledger?.setNoticed(job.job, name, remember));
  return undefined;
}

/** Who cancelled a run knows of it: nothing is told of that, unless the backup is stale besides. */
function stateToTell({ state, stale, lastRun }: Situation): Told | undefined {
  if (state === "warning" && lastRun?.failedDumps) return "dumps-failed";
  if (state !== "failed" || lastRun?.failure?.kind !== "cancelled") return state;
  return stale ? "stale" : undefined;
}
