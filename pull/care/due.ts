/** What home has to do to a repository now: a pure decision over its records. */
import type { JobFile } from "../../schema/job-file.ts";
import { type CheckKind, checkKinds, type Ledger, type Mark } from "../ledger.ts";

export type CareKind = "prune" | CheckKind | "compact";

/** What home has on record of one kind of care; times in milliseconds since 1970, by a clock that may have been set back since. */
export interface CareRecord {
  /** When it was last done to its end. */
  readonly done?: number | undefined;
  /** When it was last tried, whatever came of it. */
  readonly tried?: number | undefined;
}

export interface CareRecords {
  /** When the job's first run began; undefined before it. */
  readonly since: number | undefined;
  readonly last: Readonly<Partial<Record<CareKind, CareRecord>>>;
  /** Something was removed since the last compaction: only that leaves anything to free. */
  readonly removed: boolean;
}

/**
 * In this order: what is removed is not looked at any more, and nothing is freed, which cannot be taken back, before all that is due was
 * looked at.
 */
const order = ["prune", ...checkKinds, "compact"] as const satisfies readonly CareKind[];

/**
 * What is due, in the order in which it is to be done. Checks of borg's are first due one period after the first run: until then all of
 * it has only just been written, and each run's own archive was checked. One that was cut off is tried again after a quarter of its period.
 * Nothing is freed within one period of the first prune: what a `keep` that is too small has removed can be brought back until then.
 * @param care seconds; what is left out is never due
 */
export function dueCare(
  care: NonNullable<JobFile["care"]>,
  { since, last, removed }: CareRecords,
  now: number,
): readonly CareKind[] {
  const period = (kind: CareKind) => care[settingOf[kind]];
  const isDue = (kind: CareKind): boolean => {
    const seconds = period(kind);
    if (seconds === undefined) return false;
    const { done, tried } = last[kind] ?? {};
    if (kind === "compact" && done === undefined) return false;
    const begun = done ?? (waits.includes(kind) ? since : undefined);
    return isPast(begun, seconds, now) && isPast(tried, seconds / 4, now);
  };
  const due = order.filter(isDue);
  return removed || due.includes("prune") ? due : due.filter((kind) => kind !== "compact");
}

const settingOf = {
  prune: "prune",
  compact: "compact",
  repository: "checkRepository",
  archives: "checkArchives",
  data: "checkData",
  proof: "proof",
} as const satisfies Readonly<Record<CareKind, keyof NonNullable<JobFile["care"]>>>;

const waits: readonly CareKind[] = ["repository", "archives", "data"];

/** What lies in the future was written before the clock was set back, and says nothing. */
const isPast = (time: number | undefined, seconds: number, now: number): boolean =>
  time === undefined || time > now || now - time >= seconds * 1000;

/** @param repository its id */
export function careRecords(job: string, repository: string, ledger: Ledger): CareRecords {
  const tries = ledger.checks(job, enough);
  const checks = checkKinds.map((kind) => {
    const tried = tries.find((check) => check.kind === kind)?.finished;
    return [kind, { done: ledger.lastCheck(job, kind)?.finished, tried }] as const;
  });
  return {
    since: ledger.firstStarted(job),
    last: {
      prune: { done: ledger.lastDone(job, "prune") },
      compact: { done: compacted(job, repository, ledger) },
      ...Object.fromEntries(checks),
    },
    removed: removedSince(ledger.marks(repository)),
  };
}

/**
 * As if one had been done at the first prune, and whenever a person removed something: what was not meant to go can be brought back for a
 * whole period. Undefined as long as nothing was removed.
 */
function compacted(job: string, repository: string, ledger: Ledger): number | undefined {
  const gone = ledger.archives(repository).flatMap(({ gone }) => gone ?? []);
  const times = (why: string) => gone.flatMap((each) => (each.why === why ? each.time : []));
  const done = ledger.lastDone(job, "compact") ?? times("pruned").toSorted((a, b) => a - b)[0];
  return [done ?? [], ...times("attended")].flat().toSorted((a, b) => b - a)[0];
}

/** Of all kinds together: more than are cut off in a row. */
const enough = 200;

/** By the order of the marks, which no clock changes. */
export const removedSince = (marks: readonly Pick<Mark, "why">[]): boolean =>
  marks.findLastIndex(({ why }) => why === "prune") > marks.findLastIndex(({ why }) => why === "compact");
