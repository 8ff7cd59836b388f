import * as crypto from "node:crypto";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { endpoint } from "../schema/target.ts";
import { borgVersion, listArchives } from "./borg.ts";
import { classify } from "./classify.ts";
import { readJobFile } from "./job.ts";
import { type Ending, type Ledger, openLedger } from "./ledger.ts";
import { lockJob } from "./lock.ts";
import type { Message, Report } from "./messages.ts";
import { readPassphrase } from "./passphrase.ts";
import { type Progress, progressReporter } from "./progress.ts";
import type { Failure, RunResult } from "./result.ts";
import { session } from "./session.ts";

export interface RunOptions {
  /** Ends the run: borg on both sides, the lock, the socket. */
  readonly signal?: AbortSignal;
  /** At most four times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** A line worth a person's eye: borg's warnings and errors, what hooks and sudo write. */
  readonly onNote?: (text: string) => void;
}

/**
 * One backup from lock to record. What goes wrong once the run has begun is in the result, and in the ledger.
 * @param file the job file
 * @throws UserError when the run could not begin: job file, passphrase, lock, borg at home
 */
export async function runJob(file: string, options: RunOptions = {}): Promise<RunResult> {
  const job = readJobFile(file);
  const passphrase = readPassphrase(job.passphraseFile);
  const paths = homePaths();
  using _lock = lockJob(paths.lock(job.job), job.job);
  await borgVersion();
  using ledger = openLedger(paths.stateDb);
  const run = newRun();
  // The intent first: a crash from here on leaves an open run, not an unexplained archive.
  ledger.begin(run, job.job);
  try {
    const ending = await pull({ job, run, passphrase, ledger, state: paths.state }, options);
    ledger.finish(run, ending);
    return { run, ...ending };
  } catch (error) {
    const failure: Failure = {
      kind: "bug",
      problem: String(error),
      remedy: "This is a bug of borgpull; please report it.",
    };
    ledger.finish(run, { outcome: "failed", failure, warnings: [] });
    throw error;
  }
}

/** Sorts by time, and names the socket and the archive: `20261122t031500z-9f3c1a`. */
export function newRun(now: Date = new Date()): string {
  const time = now
    .toISOString()
    .replace(/[-:]|\.\d+/g, "")
    .toLowerCase();
  return `${time}-${crypto.randomBytes(3).toString("hex")}`;
}

interface Pull {
  readonly job: JobFile;
  readonly run: string;
  readonly passphrase: string;
  readonly ledger: Ledger;
  readonly state: string;
}

async function pull({ job, run, passphrase, ledger, state }: Pull, options: RunOptions): Promise<Ending> {
  const { signal, onProgress, onNote } = options;
  const report = onProgress && progressReporter(onProgress, ledger.lastGood(job.job)?.figures?.originalBytes);
  const facts = await session({
    job,
    run,
    passphrase,
    state,
    ...(signal ? { signal } : {}),
    onMessage: (message) => {
      if (message.type === "progress") report?.(message);
      else if (isNote(message)) onNote?.(message.message);
    },
  });
  const verdict = classify(facts, { host: endpoint(job.pull), instance: job.instance, ...job.limits });
  if (verdict.outcome === "failed") return verdict;
  const { outcome, warnings } = verdict;
  const failure = await verify(job, run, verdict.report);
  if (failure) return { outcome: "failed", failure, warnings };
  const { id, name, figures } = verdict.report;
  return { outcome, archive: { id, name }, figures, warnings };
}

const isNote = (message: Exclude<Message, { type: "progress" }>): boolean =>
  message.type === "text" || message.level === "warning" || message.level === "error";

/** The VPS's word is not enough: the archive of this run must be in the repository, under the id that was reported. */
async function verify(job: JobFile, run: string, report: Report): Promise<Failure | undefined> {
  const name = `${job.job}-${run}`;
  try {
    const archives = await listArchives({
      repository: job.repository,
      passphraseFile: job.passphraseFile,
      lockWaitSeconds: job.limits.lockWaitSeconds,
    });
    const found = archives.find((archive) => archive.name === name);
    if (found && found.id === report.id && report.name === name) return undefined;
    return {
      kind: "not-verified",
      problem: found
        ? `The archive ${name} is another one than ${endpoint(job.pull)} reported.`
        : `${endpoint(job.pull)} reported a backup, and the repository has no archive ${name}.`,
      remedy: "Do not prune; find out what happened on that machine.",
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { kind: "not-verified", problem: error.problem, remedy: error.remedy };
  }
}
