import { borgVersion } from "../pull/borg.ts";
import { readJobFile } from "../pull/job.ts";
import { type Ledger, openLedger } from "../pull/ledger.ts";
import { lockJob } from "../pull/lock.ts";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { cancelling } from "./cancel.ts";
import { jobFileOf } from "./job.ts";

export interface Open {
  readonly job: JobFile;
  readonly ledger: Ledger;
  readonly signal: AbortSignal;
}

/**
 * Works on a job's repository at home: under the job's lock, with home's records open, ended by Ctrl-C.
 * @param verb of the command line, for whoever finds the job's lock held
 * @param afterCancel what to do after that, a sentence
 * @throws UserError when the job is being worked on, when there is no borg, or when it was cancelled
 */
export async function withJob(
  verb: string,
  name: string,
  work: (open: Open) => Promise<void>,
  afterCancel = "Run it again: it goes on with the rest.",
): Promise<void> {
  const job = readJobFile(jobFileOf(name));
  const paths = homePaths();
  using _lock = lockJob(paths.lock(job.job), job.job, { by: `borgpull ${verb}` });
  using cancel = cancelling();
  await borgVersion();
  using ledger = openLedger(paths.stateDb);
  try {
    await work({ job, ledger, signal: cancel.signal });
  } catch (error) {
    if (!cancel.signal.aborted) throw error;
    throw new UserError(`${job.job}: cancelled. What was done until then is done.`, afterCancel);
  }
}
