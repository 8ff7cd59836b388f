import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { JobFile } from "../../schema/job-file.ts";

/** When a job's timer starts its next run. */
export type NextRun =
  | { readonly kind: "at" /** Milliseconds since 1970. */; readonly time: number }
  /** The job has no schedule. */
  | { readonly kind: "none" }
  /** It has one, and its timer is not there or does not run. */
  | { readonly kind: "off" }
  /** It is the timer's to say, and systemd does not answer here. */
  | { readonly kind: "unknown" };

const run = promisify(execFile);

type Scheduled = Pick<JobFile, "job" | "schedule">;

/** The command for the timers of whoever asks: root's are the system's, anybody else's those of their own manager. */
export const systemctl = (): readonly [string, ...string[]] =>
  process.getuid?.() === 0 ? ["systemctl"] : ["systemctl", "--user"];

/**
 * Asks systemd about the timers of jobs, in one call for all of them.
 * @returns job -> next run
 */
export async function nextRuns(jobs: readonly Scheduled[]): Promise<ReadonlyMap<string, NextRun>> {
  const scheduled = jobs.some(({ schedule }) => schedule !== undefined);
  const timers = scheduled ? await askTimers() : undefined;
  return new Map(jobs.map(({ job, schedule }) => [job, nextRun(job, schedule, timers)]));
}

/** @param timers those that are active; undefined: systemd does not say */
function nextRun(
  job: string,
  schedule: string | undefined,
  timers: ReadonlyMap<string, NextRun> | undefined,
): NextRun {
  if (schedule === undefined) return { kind: "none" };
  if (!timers) return { kind: "unknown" };
  return timers.get(`borgpull-${job}.timer`) ?? { kind: "off" };
}

/** Arguments of systemctl. `show` has the time too, and writes it in words whatever --timestamp= says (systemd 252, 257). */
export const timerQuery: readonly string[] = ["list-timers", "--output=json", "--", "borgpull-*.timer"];

async function askTimers(): Promise<ReadonlyMap<string, NextRun> | undefined> {
  const [program, ...manager] = systemctl();
  try {
    const { stdout } = await run(program, [...manager, ...timerQuery], { timeout: 5000 });
    return parseTimers(stdout);
  } catch {
    return undefined; // no systemctl, no systemd, or no answer
  }
}

/** The answer to it: active timers alone. @returns unit -> next run */
export function parseTimers(json: string): ReadonlyMap<string, NextRun> {
  const timers = JSON.parse(json) as readonly { unit: string; next: number | null }[];
  return new Map(timers.map(({ unit, next }) => [unit, timer(next)]));
}

/** While its service runs, a timer may have no next time. @param next microseconds since 1970 */
const timer = (next: number | null): NextRun =>
  next ? { kind: "at", time: Math.round(next / 1000) } : { kind: "unknown" };
