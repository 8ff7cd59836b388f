/** What home does to a repository after a good pull, by itself. */
import { UserError } from "../schema/errors.ts";
import { compact } from "./compact.ts";
import { percent } from "./progress.ts";
import { type CareOptions, prune } from "./prune.ts";
import { removesAny } from "./retention.ts";
import { TamperedError } from "./trust/gate.ts";

/**
 * A prune at home changes the list of archives, so the VPS's cache must be read anew over the link in the next pull. Once a week
 * keeps that rare, and at most a week's archives more than `keep` says.
 */
const pruneEveryMilliseconds = 7 * 24 * 3600 * 1000;

/**
 * Prunes when it is time to, and compacts what was pruned. The backup is made, and stays so whatever comes of this.
 * @param options.onStep told how far it is, such as "removing archives 40%"
 * @param options.now milliseconds since 1970
 * @returns warnings: what was not done, and why
 */
export async function care(
  options: CareOptions & { readonly onStep?: (text: string) => void; readonly now?: number },
): Promise<readonly string[]> {
  const { job, ledger, onStep = () => {}, now = Date.now() } = options;
  if (!removesAny(job.keep)) return [];
  try {
    if (ledger.openBreaches(job.job).length > 0) return [];
    if (pruneIsDue(ledger.lastDone(job.job, "prune"), now)) {
      await prune({ ...options, onProgress: ({ doing, share }) => onStep(`${doing} ${percent(share)}`) });
    }
    if (compactIsDue(ledger.lastDone(job.job, "prune"), ledger.lastDone(job.job, "compact"))) {
      await compact({ ...options, onProgress: (share) => onStep(`compacting ${percent(share)}`) });
    }
    return [];
  } catch (error) {
    if (error instanceof TamperedError) return []; // it is on record, and told with the run
    const warning = `The backup is made; pruning and compacting it did not end: ${reason(error, options.signal)}`;
    try {
      ledger.note(job.job, "note", warning);
    } catch {
      // a full disk may be the very reason
    }
    return [warning];
  }
}

/** @param last when it was last done, by a clock that may have been set back since */
export const pruneIsDue = (last: number | undefined, now: number): boolean =>
  last === undefined || last > now || now - last >= pruneEveryMilliseconds;

/** Only what was pruned leaves anything to free. */
export const compactIsDue = (pruned: number | undefined, compacted: number | undefined): boolean =>
  pruned !== undefined && (compacted === undefined || compacted < pruned);

function reason(error: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted) return "it was cancelled. The next run goes on with it.";
  if (error instanceof UserError) return error.message;
  return `${String(error)}. This is a bug of borgpull; please report it.`;
}
