import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { type CheckKind, type CheckRecord, checkKinds, type Ledger } from "../ledger.ts";
import { localTime } from "../time.ts";

/** A check has failed, and no later one of its kind was good: nothing may be removed. */
export class UnsoundError extends UserError {
  override readonly name = "UnsoundError";
}

/** The checks whose last verdict is that something is wrong. */
export const failedChecks = (job: string, ledger: Ledger): readonly CheckRecord[] =>
  checkKinds.flatMap((kind) => {
    const last = ledger.lastCheck(job, kind);
    return last?.outcome === "failed" ? [last] : [];
  });

/** @throws UnsoundError while a failed check is outstanding */
export function requireSound({ job, ledger }: { readonly job: JobFile; readonly ledger: Ledger }): void {
  const [failed] = failedChecks(job.job, ledger);
  if (failed) throw new UnsoundError(describeFailed(failed), checkRemedy(job.job, failed.kind));
}

/** One sentence of what and when, and what was found. */
export const describeFailed = ({ kind, finished, detail }: CheckRecord): string =>
  `The ${checkNames[kind]} of ${localTime(finished)} failed: ${detail.problem ?? "it is not on record why"}`;

/** What a failed check means for what home does, and what ends it. */
export const checkRemedy = (job: string, kind: CheckKind): string =>
  `Pulls go on; nothing is pruned or compacted until "borgpull ${again(job, kind)}" is good: see docs/operations.md#a-check-has-failed.`;

const again = (job: string, kind: CheckKind): string =>
  kind === "proof" ? `proof ${job}` : `check ${job} --${kind}`;

/** As a person reads it. */
export const checkNames: Readonly<Record<CheckKind, string>> = {
  repository: "check of the repository",
  archives: "check of the archives",
  data: "check of all data",
  proof: "proof of a restore",
};
