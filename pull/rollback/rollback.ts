import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgVersion } from "../borg.ts";
import { readJobFile } from "../job.ts";
import { type Operation, openLedger } from "../ledger.ts";
import { lockJob } from "../lock.ts";
import { readPassphrase } from "../passphrase.ts";
import { isCommitted } from "../segments/entries.ts";
import { describeBreach } from "../trust/describe.ts";
import { gate } from "../trust/gate.ts";
import { forgetCaches } from "./forget-cache.ts";
import { aroundOf, lookAgain, repositoryOf, rollbackFacts, type Work } from "./look.ts";
import { mend } from "./mend.ts";
import { planRollback, type RollbackFacts, type RollbackPlan } from "./plan.ts";
import { describeRollback } from "./preview.ts";
import type { Begun, Mended } from "./record.ts";

export interface RollbackOptions {
  /** Back to the state after this run. @default the state before the oldest breach that is open */
  readonly to?: string | undefined;
  /** Only the preview. */
  readonly dryRun?: boolean;
  /** Asked once, with the preview, before anything is touched. */
  readonly confirm: (preview: string) => Promise<boolean>;
  /** Told before each step. */
  readonly onStep?: (step: string) => void;
  /** Of borg's check, 0 to 1. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
}

export type RollbackResult =
  | { readonly kind: "dry-run"; readonly preview: string }
  | { readonly kind: "declined" }
  /** An earlier rollback wanted borg's cache on the VPS removed; now it is. */
  | { readonly kind: "cache-forgotten" }
  | (Mended & {
      readonly kind: "rolled-back";
      /** Why borg's cache on the VPS is still there. */
      readonly warning?: string;
    });

const folder = "borgpull-rolled-back";

/**
 * Takes a job's repository back to the state that it had after a run, by default before the oldest open breach. One that was cut
 * off goes on where it was, without being asked again.
 * @param file the job file
 * @throws UserError when it cannot be done; once begun, it is to be run again
 */
export async function rollback(file: string, options: RollbackOptions): Promise<RollbackResult> {
  const job = readJobFile(file);
  readPassphrase(job.passphraseFile);
  using _lock = lockJob(homePaths().lock(job.job), job.job, { by: "borgpull rollback" });
  await borgVersion();
  using ledger = openLedger(homePaths().stateDb);
  const work: Work = { job, ledger, id: repositoryOf(job).id, signal: options.signal };
  const begun = ledger.openOperations(job.job).find(isRollback);
  if (begun && options.dryRun) return { kind: "dry-run", preview: goesOn(work, begun) };
  if (begun) return await carryOut(work, begun, options); // awaited: the ledger is open until then

  if (!options.dryRun) await lookAgain(work);
  const asked = options.to !== undefined || ledger.openBreaches(job.job).length > 0;
  const forget = ledger.openOperations(job.job).some(({ kind }) => kind === "forget-cache");
  if (!asked && forget && !options.dryRun) {
    await forgetCaches(job, ledger, options.signal);
    return { kind: "cache-forgotten" };
  }
  const facts = await rollbackFacts(work, options.to);
  const plan = planRollback(facts);
  requireCommitted(job, facts, plan);
  const aside = path.join(folder, new Date().toISOString().replace(/[:.]/g, "-"));
  const preview = describeRollback(plan, aroundOf(work, aside));
  if (options.dryRun) return { kind: "dry-run", preview };
  if (!(await options.confirm(preview))) return { kind: "declined" };
  const { segment } = plan;
  const number = ledger.beginOperation(job.job, { kind: "rollback", segment, aside });
  return await carryOut(work, { number, segment, aside }, options);
}

const isRollback = (operation: Operation): operation is Extract<Operation, { kind: "rollback" }> =>
  operation.kind === "rollback";

const goesOn = ({ job }: Work, { segment, aside }: Begun): string =>
  `A rollback of ${job.job} to segment ${segment} was begun and not ended. Without --dry-run it goes on, into ${path.join(job.repository, aside)}.`;

/** A log that ends in the middle of a transaction is none that borg would go on from. */
function requireCommitted(
  { repository }: JobFile,
  { segments }: RollbackFacts,
  { mark }: RollbackPlan,
): void {
  const end = mark && segments.find(({ segment }) => segment === mark.segment);
  if (!end || isCommitted(path.join(repository, end.file))) return;
  throw new UserError(
    `${path.join(repository, end.file)}, with which the state to go back to ends, is damaged.`,
    "Look at that disk; --to RUN goes back to another state.",
  );
}

async function carryOut(work: Work, begun: Begun, options: RollbackOptions): Promise<RollbackResult> {
  const { job, ledger, signal } = work;
  const mended = await lookOnceMore(work, await mend(work, begun, options));
  options.onStep?.("removing borg's cache on the VPS");
  try {
    await forgetCaches(job, ledger, signal);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { kind: "rolled-back", ...mended, warning: error.message };
  }
  return { kind: "rolled-back", ...mended };
}

/** Where the log stayed as it was, there may be more in it than was decided on. */
async function lookOnceMore({ job, ledger, signal }: Work, mended: Mended): Promise<Mended> {
  try {
    const { breach } = await gate({ job, ledger, ...(signal ? { signal } : {}) });
    return breach ? { ...mended, problem: mended.problem ?? describeBreach(breach) } : mended;
  } catch (error) {
    if (error instanceof UserError && mended.problem) return mended; // it is told already why home cannot look
    throw error;
  }
}
