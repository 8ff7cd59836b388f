import { UserError } from "../schema/errors.ts";
import { holderOf, holdNoted } from "./held-file.ts";

/** Somebody else works on this job now. */
export class JobBusyError extends UserError {
  override readonly name = "JobBusyError";
}

/** Who only looks whether it is held (`borgpull status`) keeps it for a moment, which is not to refuse a run. */
const patienceMilliseconds = 100;

/**
 * Takes the lock of a job. The kernel holds it, so there is no stale one (held-file.ts).
 * @param file `homePaths().lock(job)`
 * @throws JobBusyError at once, when it is held; UserError when it cannot be taken
 */
export function lockJob(file: string, job: string): Disposable {
  const held = holdNoted(file, undefined, patienceMilliseconds);
  if (held) return held;
  const holder = holderOf(file);
  const by = holder ? ` by process ${holder.pid}, since ${holder.since}` : "";
  throw new JobBusyError(`Job ${job} is being worked on${by}.`, "Wait until that has ended, or end it.");
}

/** Tells whoever would wait in vain: before waiting for a turn, or for a host. @throws JobBusyError when the job's lock is held */
export function refuseWhileBusy(file: string, job: string): void {
  // Without a note nobody has it: then it is not even tried, and no two who look can get into each other's way.
  if (holderOf(file)) lockJob(file, job)[Symbol.dispose]();
}
