import { setTimeout } from "node:timers/promises";
import { UserError } from "../schema/errors.ts";
import { type Holder, holderOf, holdNoted } from "./held-file.ts";
import { localTime } from "./time.ts";

/** Somebody else works on this job now. */
export class JobBusyError extends UserError {
  override readonly name = "JobBusyError";
}

/** Who only looks whether it is held (`borgpull status`) keeps it for a moment, which is not to refuse a run. */
const patienceMilliseconds = 100;

export interface LockOptions {
  /** What takes it, as a person calls it: "borgpull mount". Whoever finds it held is told. */
  readonly by?: string;
  /** For some seconds' work: a run waits for the end of it instead of being refused. */
  readonly brief?: boolean;
}

/**
 * Takes the lock of a job. The kernel holds it, so there is no stale one (held-file.ts).
 * @param file `homePaths().lock(job)`
 * @throws JobBusyError at once, when it is held; UserError when it cannot be taken
 */
export function lockJob(file: string, job: string, { by, brief = false }: LockOptions = {}): Disposable {
  const about = { ...(by === undefined ? {} : { by }), ...(brief ? { brief } : {}) };
  const held = holdNoted(file, about, patienceMilliseconds);
  if (held) return held;
  const holder = holderOf(file);
  throw new JobBusyError(
    `Job ${job} is being worked on${holder ? describeHolder(holder) : ""}.`,
    "Wait until that has ended, or end it.",
  );
}

/** Such as ` by "borgpull mount" (process 4507), since 2026-11-23 15:04`. */
function describeHolder({ pid, by, since }: Holder): string {
  const who = by === undefined ? `process ${pid}` : `"${by}" (process ${pid})`;
  return ` by ${who}, since ${localTime(Date.parse(since))}`;
}

export interface WaitOptions extends LockOptions {
  /** So long at most. */
  readonly seconds: number;
  /** Who has it need not be brief. */
  readonly forAny?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told once, when it has to wait. */
  readonly onWait?: (() => void) | undefined;
}

const pollMilliseconds = 500;

/**
 * As `lockJob`, and waits for the end of somebody else's brief work.
 * @throws JobBusyError when it is held by a longer one, or too long; what the signal was aborted with
 */
export async function lockJobInTime(file: string, job: string, options: WaitOptions): Promise<Disposable> {
  const { seconds, forAny = false, signal, onWait, ...lock } = options;
  const end = performance.now() + seconds * 1000;
  for (let told = false; ; told = true) {
    signal?.throwIfAborted();
    try {
      return lockJob(file, job, lock);
    } catch (error) {
      const worthIt = error instanceof JobBusyError && (forAny || holderOf(file)?.brief);
      if (!worthIt || performance.now() > end) throw error;
    }
    if (!told) onWait?.();
    await setTimeout(pollMilliseconds, undefined, { ...(signal ? { signal } : {}) });
  }
}

/** Tells whoever would wait in vain: before waiting for a turn, or for a host. @throws JobBusyError when the job's lock is held, and not for brief work */
export function refuseWhileBusy(file: string, job: string): void {
  // Without a note nobody has it: then it is not even tried, and no two who look can get into each other's way.
  const holder = holderOf(file);
  if (holder && !holder.brief) lockJob(file, job)[Symbol.dispose]();
}
