/** A person's own work on a job's repository, so that a gate takes what came of it for no attack. attended/ has the two ways. */
import type { JobFile } from "../schema/job-file.ts";
import type { Breach, Ledger, Plan } from "./ledger.ts";
import { readConfig } from "./trust/config-file.ts";
import { gate } from "./trust/gate.ts";

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
  readonly made: number;
  readonly removed: number;
  /** What was found in it that is not the person's. */
  readonly breach?: Breach;
}

/**
 * Works on a repository as a person: what was there before is looked at first, and what comes of it is that person's. Killed in its
 * middle, the next gate takes it so. Needs the job's lock.
 * @throws UserError when home cannot look at the repository before or after it
 */
export async function attended<T>(
  { job, ledger, signal, plan }: AttendedOptions,
  work: () => Promise<T>,
): Promise<Attended<T>> {
  const looking = { job, ledger, ...(signal ? { signal } : {}) };
  await gate(looking);
  const before = there(ledger, job);
  if (plan) ledger.beginOperation(job.job, { kind: "attended", ...plan });
  let breach: Breach | undefined;
  let result: T;
  try {
    result = await work();
  } finally {
    // Without the signal: what was done is looked at, even when it was cancelled.
    breach = (await gate({ job, ledger })).breach;
  }
  const after = there(ledger, job);
  return {
    result,
    made: [...after].filter((id) => !before.has(id)).length,
    removed: [...before].filter((id) => !after.has(id)).length,
    ...(breach ? { breach } : {}),
  };
}

const there = (ledger: Ledger, { repository }: JobFile): ReadonlySet<string> =>
  new Set(
    ledger
      .archives(readConfig(repository).id)
      .filter(({ gone }) => !gone)
      .map(({ id }) => id),
  );
