import * as fs from "node:fs";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { repositoryId } from "../borg.ts";
import { isHeld } from "../held-file.ts";
import { keyExportState } from "../key-export.ts";
import {
  type Breach,
  type CheckKind,
  type CheckRecord,
  checkKinds,
  type Ledger,
  type RunRecord,
} from "../ledger.ts";
import { clockSlack, isAhead } from "../time.ts";
import { readConfigCopy } from "../trust/config-file.ts";
import { growthMilliseconds, type Size } from "./growth.ts";

/** What home knows of a job, as far as its standing needs it. */
export interface JobRecords {
  /** The youngest few of those that are not yet to come, the youngest first. */
  readonly runs: readonly RunRecord[];
  /** Sizes of the repository after the runs of the last weeks, the youngest first. */
  readonly sizes: readonly Size[];
  readonly lastGood?: RunRecord;
  /** A run that is yet to come, by its time: a clock was wrong, then or now. It counts for nothing until then. */
  readonly ahead?: RunRecord;
  readonly openBreaches: readonly Breach[];
  /** The last of each kind that came to a verdict. */
  readonly checks: Partial<Readonly<Record<CheckKind, CheckRecord>>>;
  /** Whether the key was exported, and is still the same; undefined: the repository has none in it. */
  readonly keyCopy?: "never" | "changed" | "done";
  /** When it was exported last. */
  readonly keyExported?: number;
  /** Somebody works on the job now: a run that is open has not died. */
  readonly held: boolean;
  /** When home first knew of the job, milliseconds since 1970: its first run, or the job file where there is none. */
  readonly knownSince: number;
}

/** The last that has ended, and those that are open. */
const mostRuns = 10;

/**
 * Reads a job's records; it waits for nobody and changes nothing.
 * @param ledger undefined: there is no state.db yet
 * @param now milliseconds since 1970
 */
export function recordsOf(job: JobFile, ledger: Ledger | undefined, now: number = Date.now()): JobRecords {
  const file = homePaths().jobFile(job.job);
  const written = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  if (!ledger) return { runs: [], sizes: [], openBreaches: [], checks: {}, held: false, knownSince: written };
  const upTo = now + clockSlack;
  const runs = ledger.runs(job.job, mostRuns, upTo);
  const lastGood = ledger.lastGood(job.job, repositoryOf(job), upTo);
  const [youngest] = ledger.runs(job.job, 1);
  const checks = checkKinds.flatMap((kind) => {
    const last = ledger.lastCheck(job.job, kind);
    return last ? [[kind, last] as const] : [];
  });
  const keyCopy = keyExportState(ledger, job);
  const exported = ledger.lastEvent(job.job, "key-export");
  return {
    runs,
    sizes: ledger.sizes(job.job, now - growthMilliseconds),
    ...(lastGood ? { lastGood } : {}),
    ...(youngest && isAhead(youngest.started, now) ? { ahead: youngest } : {}),
    openBreaches: ledger.openBreaches(job.job),
    checks: Object.fromEntries(checks),
    ...(keyCopy ? { keyCopy } : {}),
    ...(exported ? { keyExported: exported.time } : {}),
    held: runs.some(({ outcome }) => outcome === undefined) && isHeld(homePaths().lock(job.job)),
    knownSince: Math.min(written, ledger.firstStarted(job.job) ?? written),
  };
}

/** The id of the job's repository, by home's copy of its config; undefined where there is none. */
export const repositoryOf = ({ job, repository }: JobFile): string | undefined =>
  readConfigCopy(job)?.id ?? repositoryId(repository);
