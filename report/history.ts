import type { ArchiveRecord, Breach, CheckRecord, Ledger, RunRecord } from "../pull/ledger.ts";
import { repositoryOf } from "../pull/status.ts";
import type { JobFile } from "../schema/job-file.ts";

/** What home's records have of a job's last weeks. */
export interface History {
  /** The oldest first. */
  readonly runs: readonly RunRecord[];
  readonly checks: readonly CheckRecord[];
  /** All that were ever found, the youngest first. */
  readonly breaches: readonly Breach[];
  readonly archives: readonly ArchiveRecord[];
}

/** Hourly runs of half a year. */
const mostRuns = 5000;

/** @param since milliseconds since 1970: older runs are left out */
export function historyOf(job: JobFile, ledger: Ledger | undefined, since: number): History {
  if (!ledger) return { runs: [], checks: [], breaches: [], archives: [] };
  const repository = repositoryOf(job);
  return {
    runs: ledger
      .runs(job.job, mostRuns)
      .filter(({ started }) => started >= since)
      .toReversed(),
    checks: ledger.checks(job.job, mostRuns).filter(({ started }) => started >= since),
    breaches: ledger.breaches(job.job).toReversed(),
    archives: repository === undefined ? [] : ledger.archives(repository),
  };
}
