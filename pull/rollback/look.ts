import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { endpoint } from "../../schema/target.ts";
import type { Ledger, RunRecord } from "../ledger.ts";
import { segmentFilesOf } from "../segments/files.ts";
import { lastCommitted } from "../segments.ts";
import {
  type ConfigFile,
  configCopy,
  RepositoryMissingError,
  readConfig,
  readConfigCopy,
} from "../trust/config-file.ts";
import { gate } from "../trust/gate.ts";
import type { RollbackFacts } from "./plan.ts";
import type { Around } from "./preview.ts";

/** What is being worked on: the job's lock is held, the ledger open. */
export interface Work {
  readonly job: JobFile;
  readonly ledger: Ledger;
  /** The repository's id. */
  readonly id: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The id by which home knows the repository, and what is there of it.
 * @throws UserError when its log is not there: a disk that is not mounted is nothing to roll back
 */
export function repositoryOf({ job, repository }: JobFile): {
  readonly id: string;
  readonly present: ConfigFile | undefined;
  readonly copy: ConfigFile | undefined;
} {
  const copy = readConfigCopy(job);
  let present: ConfigFile | undefined;
  try {
    present = readConfig(repository, job);
  } catch (error) {
    // Without its config borg finds no repository; the copy outside is put back.
    if (!(error instanceof RepositoryMissingError) || !copy || !fs.existsSync(path.join(repository, "data")))
      throw error;
  }
  const { id } = (copy ?? present) as ConfigFile;
  return { id, present, copy };
}

/**
 * Whatever no gate has seen yet is looked at first, so that the preview knows of it. Under a config that is known to be wrong
 * there is nothing that home could list.
 */
export async function lookAgain({ job, ledger, signal }: Work): Promise<void> {
  const { present, copy } = repositoryOf(job);
  const known = copy && copy.digest !== present?.digest && ledger.openBreaches(job.job).length > 0;
  if (present && !known) await gate({ job, ledger, ...(signal ? { signal } : {}) });
}

export async function rollbackFacts(
  { job, ledger, id }: Work,
  to: string | undefined,
): Promise<RollbackFacts> {
  const { present, copy } = repositoryOf(job);
  const { dev } = fs.statSync(job.repository);
  if (fs.statSync(path.join(job.repository, "data")).dev !== dev) {
    throw new UserError(
      `${path.join(job.repository, "data")} is on another file system than the repository, so nothing can be moved aside by name.`,
      "Put both on one, then run it again.",
    );
  }
  return {
    job: job.job,
    to,
    marks: ledger.marks(id),
    breaches: ledger.openBreaches(job.job),
    archives: ledger.archives(id),
    segments: segmentFilesOf(job.repository),
    last: present ? ((await lastCommitted(job.repository)) ?? -1) : (ledger.mark(id)?.segment ?? -1),
    config: { present: present?.digest, copy: copy?.digest },
  };
}

export const runsOf = ({ job, ledger }: Work): ReadonlyMap<string, RunRecord> =>
  new Map(ledger.runs(job.job, 1_000_000).map((record) => [record.run, record]));

export const aroundOf = (work: Work, aside: string): Around => ({
  job: work.job.job,
  host: endpoint(work.job.admin),
  runs: runsOf(work),
  aside: path.join(work.job.repository, aside),
  copy: configCopy(work.job.job),
});
