import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { type DeleteProgress, deleteArchives } from "../borg.ts";
import type { ArchiveRecord, Ledger } from "../ledger.ts";
import { readConfig } from "../trust/config-file.ts";
import { requireTrusted } from "../trust/gate.ts";
import { type Decision, removesAny, retention } from "./retention.ts";
import { requireSound } from "./sound.ts";

/** What is needed to change a repository at home. The job's lock is held by the caller, all the time. */
export interface CareOptions {
  readonly job: JobFile;
  readonly ledger: Ledger;
  /** Ends borg; what it had begun is settled by the next gate. */
  readonly signal?: AbortSignal;
  /** Milliseconds since 1970. @default Date.now() */
  readonly now?: number;
}

export type Planned = Decision<ArchiveRecord & { readonly started?: number | undefined }>;

/**
 * What a prune would do with each archive, the newest first.
 * @throws TamperedError while a breach is open; UnsoundError while a failed check is outstanding; UserError when the job has no `keep`,
 * or the repository cannot be looked at
 */
export async function planPrune({
  job,
  ledger,
  signal,
  now = Date.now(),
}: CareOptions): Promise<readonly Planned[]> {
  if (!removesAny(job.keep)) {
    throw new UserError(
      `${job.job} has no \`keep\`: all of its archives stay.`,
      'Give it one in the config, such as keep: {daily: 7, weekly: 4}, and run "pulumi up".',
    );
  }
  await requireTrusted({ job, ledger, ...(signal ? { signal } : {}) });
  requireSound({ job, ledger });
  const there = ledger.archives(readConfig(job.repository, job.job).id).filter(({ gone }) => !gone);
  const dated = there.map((archive) => {
    const run = archive.run === undefined ? undefined : ledger.run(archive.run);
    return { ...archive, started: run?.started, failedDumps: run?.failedDumps };
  });
  return retention(dated, job.keep, now);
}

/**
 * Removes the archives that `keep` does not keep, and nothing else. Their room is freed by a compaction.
 * @returns what was planned, and is done
 * @throws as planPrune does; UserError when borg did not remove all of them
 */
export async function prune(
  options: CareOptions & { readonly onProgress?: (progress: DeleteProgress) => void },
): Promise<readonly Planned[]> {
  const { job, ledger, signal, onProgress } = options;
  const plan = await planPrune(options);
  const removed = plan.flatMap(({ archive, stays }) => (stays ? [] : [archive]));
  if (removed.length === 0) return plan;
  const archives = removed.map(({ id, name }) => ({ id, name }));
  // From here on the gate knows whose work it is that these vanish, however we end.
  ledger.beginOperation(job.job, { kind: "prune", archives });
  await deleteArchives({
    repository: job.repository,
    passphraseFile: job.passphraseFile,
    lockWaitSeconds: job.limits.lockWaitSeconds,
    archives: archives.map(({ name }) => name),
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  // Looks which are gone and records it, as it does after a crash; any other that is gone is a breach.
  await requireTrusted({ job, ledger });
  const gone = new Set(
    ledger
      .archives(readConfig(job.repository, job.job).id)
      .flatMap((archive) => (archive.gone ? [archive.id] : [])),
  );
  const left = archives.find(({ id }) => !gone.has(id));
  if (!left) return plan;
  throw new UserError(
    `borg did not remove ${left.name} from ${job.repository}, and did not say why.`,
    "Look at that repository with borg check.",
  );
}
