/** A person's own work on a job's repository, so that a gate takes what came of it for no attack. attended/ has the two ways. */
import type { JobFile } from "../schema/job-file.ts";
import type { ArchiveRecord, Breach, Ledger, Plan } from "./ledger.ts";
import { readConfig } from "./trust/config-file.ts";
import { gate, requireTrusted } from "./trust/gate.ts";

export interface AttendedOptions {
  readonly job: JobFile;
  readonly ledger: Ledger;
  readonly signal?: AbortSignal;
  /** undefined: a session that cannot change anything. */
  readonly plan: Omit<Extract<Plan, { kind: "attended" }>, "kind"> | undefined;
}

export interface Attended<T> {
  readonly result: T;
  /** Archives that came and went in it. */
  readonly made: readonly ArchiveRecord[];
  readonly removed: readonly ArchiveRecord[];
  /** What was found, then or before, and is not decided on: the oldest. */
  readonly breach?: Breach;
}

/**
 * Works on a repository as a person: what was there before is looked at first, and what comes of it is that person's. Killed in its
 * middle, the next gate takes it so too, save what was done from a VPS. Needs the job's lock.
 * @throws TamperedError when something waits for a decision and this would leave nothing to go back to, or comes from the VPS; UserError
 * when home cannot look at the repository before or after it
 */
export async function attended<T>(
  { job, ledger, signal, plan }: AttendedOptions,
  work: () => Promise<T>,
): Promise<Attended<T>> {
  const looking = { job, ledger, ...(signal ? { signal } : {}) };
  await (plan?.rewritesLog || plan?.where === "vps" ? requireTrusted(looking) : gate(looking));
  const before = there(ledger, job);
  if (plan) ledger.beginOperation(job.job, { kind: "attended", ...plan });
  let result: T;
  let witnessed = false;
  try {
    result = await work();
    witnessed = true;
  } finally {
    // Without the signal: what was done is looked at, even when it was cancelled.
    await gate({ job, ledger, witnessed });
  }
  const after = there(ledger, job);
  const [breach] = ledger.openBreaches(job.job);
  return {
    result,
    made: after.filter(({ id }) => !before.some((archive) => archive.id === id)),
    removed: before.filter(({ id }) => !after.some((archive) => archive.id === id)),
    ...(breach ? { breach } : {}),
  };
}

const there = (ledger: Ledger, { repository }: JobFile): readonly ArchiveRecord[] =>
  ledger.archives(readConfig(repository).id).filter(({ gone }) => !gone);
