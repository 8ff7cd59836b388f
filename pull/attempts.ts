import { setTimeout } from "node:timers/promises";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { endpoint } from "../schema/target.ts";
import { defaultMaxParallel, takeSlot } from "./attempts/queue.ts";
import { isPassing, retryWaitSeconds } from "./attempts/retry.ts";
import { readJobFile } from "./job.ts";
import { lockJobInTime, refuseWhileBusy } from "./lock.ts";
import { toldIfRefused } from "./notify.ts";
import type { RunResult } from "./result.ts";
import { type RunOptions, runJob } from "./run.ts";

/** Why nothing happens just now. */
export type Pause =
  /** Other jobs of this home are under way, as many as may be. */
  | { readonly kind: "turn"; readonly running: readonly string[] }
  /** Somebody is at the job for a moment: `pulumi up` tries its key, say. */
  | { readonly kind: "brief-work" }
  /** The VPS cannot be reached; told anew every second. `next` is the number of the try to come, of `tries`. */
  | {
      readonly kind: "retry";
      readonly host: string;
      readonly seconds: number;
      readonly next: number;
      readonly tries: number;
    };

export interface BackUpOptions extends Omit<RunOptions, "willRetry"> {
  /** A try begins: it has its turn. */
  readonly onBegin?: () => void;
  readonly onPause?: (pause: Pause) => void;
}

/**
 * Backs a job up as everything does it, `pulumi up`, timers and `borgpull run`: waits for its turn, runs, and tries again while the VPS
 * cannot be reached, as often as limits.retries says. Every try is a run of its own. No time spent waiting counts against any limit.
 * @param file the job file
 * @returns the last try's result
 * @throws UserError when no run could begin: as `runJob`, or cancelled before; JobBusyError when the job is being worked on
 */
export async function backUp(file: string, options: BackUpOptions = {}): Promise<RunResult> {
  const job = readJobFile(file);
  const tries = (job.limits.retries ?? 0) + 1;
  for (let tried = 1; ; tried++) {
    const willRetry = (ended: RunResult) => tried < tries && isPassing(ended);
    const result = await oneTry(file, job, { ...options, willRetry });
    if (!willRetry(result)) return result;
    const seconds = retryWaitSeconds(tried, job.limits.retryWaitSeconds ?? 60);
    const goOn = await countDown(seconds, options, (left) =>
      options.onPause?.({ kind: "retry", host: endpoint(job.pull), seconds: left, next: tried + 1, tries }),
    );
    if (!goOn) return result;
  }
}

async function oneTry(file: string, job: JobFile, options: BackUpOptions & RunOptions): Promise<RunResult> {
  using _slot = await takeTurn(job, options);
  options.onBegin?.();
  return await runJob(file, options);
}

/** Brief work on a job takes some seconds; whatever goes on for so long is stuck. */
const briefSeconds = 120;

/** @throws JobBusyError before it waits, when somebody works on the job, unless that is brief */
async function takeTurn(job: JobFile, { signal, onNote, onPause }: BackUpOptions): Promise<Disposable> {
  const { lock, slots: folder } = homePaths();
  const limit = job.maxParallel ?? defaultMaxParallel;
  try {
    return await toldIfRefused({ job, onNote }, async () => {
      refuseWhileBusy(lock(job.job), job.job);
      const onTurn = (running: readonly string[]) => onPause?.({ kind: "turn", running });
      using turn = new DisposableStack();
      turn.use(await takeSlot({ folder, job: job.job, limit, signal, onWait: onTurn }));
      const onWait = () => onPause?.({ kind: "brief-work" });
      const free = await lockJobInTime(lock(job.job), job.job, { seconds: briefSeconds, signal, onWait });
      free[Symbol.dispose](); // the run takes it in the same breath
      return turn.move();
    });
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new UserError(`The run of ${job.job} was cancelled before it began.`, "Run it again.");
  }
}

/** False when it was cancelled. @param tell told every second how many are left */
async function countDown(
  seconds: number,
  { signal }: BackUpOptions,
  tell: (left: number) => void,
): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    if (signal?.aborted) return false;
    const left = end - performance.now();
    if (left <= 0) return true;
    tell(Math.ceil(left / 1000));
    await setTimeout(Math.min(1000, left), undefined, { ...(signal ? { signal } : {}) }).catch(() => {});
  }
}

/** Such as "waiting for another pull to end (web1, db1)". */
export function describePause(pause: Pause): string {
  if (pause.kind === "brief-work") return "waiting for the end of other work on this job";
  if (pause.kind === "turn") {
    // Nobody is named who has only just begun, or is about to.
    const names = pause.running.length > 0 ? ` (${pause.running.join(", ")})` : "";
    return `waiting for another pull to end${names}`;
  }
  const { host, seconds, next, tries } = pause;
  return `${host} cannot be reached; trying again in ${seconds} s (${next} of ${tries})`;
}
