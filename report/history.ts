import type { ArchiveRecord, Breach, Ledger, RunRecord } from "../pull/ledger.ts";
import { repositoryOf } from "../pull/status.ts";
import type { JobFile } from "../schema/job-file.ts";

/** What home's records have of a job's last weeks. */
export interface History {
  /** The oldest first. */
  readonly runs: readonly RunRecord[];
  /** All that were ever found, the youngest first. */
  readonly breaches: readonly Breach[];
  readonly archives: readonly ArchiveRecord[];
}

/** A run every five minutes of half a year. */
const mostRuns = 60_000;

/** @param since milliseconds since 1970: older runs are left out */
export function historyOf(job: JobFile, ledger: Ledger | undefined, since: number): History {
  if (!ledger) return { runs: [], breaches: [], archives: [] };
  const repository = repositoryOf(job);
  return {
    runs: ledger
      .runs(job.job, mostRuns)
      .filter(({ started }) => started >= since)
      .toReversed(),
    breaches: ledger.breaches(job.job).toReversed(),
    archives: repository === undefined ? [] : ledger.archives(repository),
  };
}
