/** What home does to a repository after a good pull, by itself. */
import { UserError } from "../schema/errors.ts";
import { check, checkSteps } from "./care/check.ts";
import { compact } from "./care/compact.ts";
import { type CareKind, careRecords, dueCare } from "./care/due.ts";
import { type CareOptions, prune } from "./care/prune.ts";
import { removesAny } from "./care/retention.ts";
import { checkRemedy, describeFailed, failedChecks } from "./care/sound.ts";
import { percent } from "./quantities.ts";
import { readConfig } from "./trust/config-file.ts";
import { TamperedError } from "./trust/gate.ts";

export interface CareSteps extends CareOptions {
  /** Told how far it is, such as "removing archives 40%". */
  readonly onStep?: (text: string) => void;
  /** Proves that files come back, and records it itself; without it there is no proof. */
  readonly proof?: (
    options: CareOptions & { readonly onStep?: (text: string) => void },
  ) => Promise<{ readonly outcome: "good" | "failed" | "ended" }>;
}

/**
 * Prunes, checks, proves and compacts what is due by the job's `care`. The backup is made, and stays so whatever comes of this.
 * @returns warnings: what was not done, and why; each failed check, until one of its kind is good
 */
export async function care(options: CareSteps): Promise<readonly string[]> {
  const { job, ledger, signal, now = Date.now() } = options;
  try {
    if (ledger.openBreaches(job.job).length > 0) return [];
    let good = true;
    for (const kind of dueCare(job.care ?? {}, recordsOf(options), now)) {
      // The one step that nothing takes back: all that is due must have been looked at, and found whole.
      if (kind === "compact" && !good) continue;
      good = (await perform(kind, options)) && good;
    }
    return failedChecks(job.job, ledger).map(
      (failed) => `${describeFailed(failed)} ${checkRemedy(job.job, failed.kind)}`,
    );
  } catch (error) {
    if (error instanceof TamperedError) return []; // it is on record, and told with the run
    return [`The backup is made; what home does with it after that did not end: ${reason(error, signal)}`];
  }
}

const recordsOf = ({ job, ledger }: CareOptions) =>
  careRecords(job.job, readConfig(job.repository, job.job).id, ledger);

/** @returns whether nothing was found amiss */
async function perform(kind: CareKind, options: CareSteps): Promise<boolean> {
  const { job, ledger, proof, onStep = () => {} } = options;
  const sound = failedChecks(job.job, ledger).length === 0;
  switch (kind) {
    case "prune":
      if (sound && removesAny(job.keep)) {
        await prune({ ...options, onProgress: ({ doing, share }) => onStep(`${doing} ${percent(share)}`) });
      }
      return true;
    case "compact":
      if (sound && recordsOf(options).removed) {
        await compact({ ...options, onProgress: (share) => onStep(`compacting ${percent(share)}`) });
      }
      return true;
    case "proof":
      return proof === undefined || (await proof(options)).outcome === "good";
    default: {
      const onProgress = (share: number) => onStep(`${checkSteps[kind]} ${percent(share)}`);
      return (await check({ ...options, kind, onProgress })).outcome === "good";
    }
  }
}

function reason(error: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted) return "it was cancelled. The next run goes on with it.";
  if (error instanceof UserError) return error.message;
  return `${String(error)}. This is a bug of borgpull; please report it.`;
}
