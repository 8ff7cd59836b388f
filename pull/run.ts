import * as crypto from "node:crypto";
import { ReachError, UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { endpoint } from "../schema/target.ts";
import { borgVersion, RepositoryLockedError } from "./borg.ts";
import { care } from "./care.ts";
import { classify, type Verdict } from "./classify.ts";
import { conclude } from "./conclude.ts";
import { readJobFile } from "./job.ts";
import { type Ending, type Ledger, openLedger } from "./ledger.ts";
import { clean } from "./lines.ts";
import { lockJob } from "./lock.ts";
import type { Message } from "./messages.ts";
import { readPassphrase } from "./passphrase.ts";
import { type Progress, progressReporter } from "./progress.ts";
import type { Failure, RunResult } from "./result.ts";
import { forgetCaches } from "./rollback/forget-cache.ts";
import { session } from "./session.ts";
import { RepositoryMissingError } from "./trust/config-file.ts";
import { breachRemedy, describeBreach } from "./trust/describe.ts";
import { gate } from "./trust/gate.ts";

export interface RunOptions {
  /** Ends the run: borg on both sides, the lock, the socket. */
  readonly signal?: AbortSignal;
  /** At most four times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** A line worth a person's eye: borg's warnings and errors, what hooks and sudo write. */
  readonly onNote?: (text: string) => void;
  /** What home does to the repository after the pull, such as "compacting 40%"; as often as progress. */
  readonly onStep?: (text: string) => void;
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
  const ending = await pull({ job, run, passphrase, ledger, state: paths.state }, options).catch((error) => {
    if (error instanceof UserError) throw error; // home's records: the run stays open, and the next one finds it
    const remedy = "This is a bug of borgpull; please report it.";
    const failure: Failure = { kind: "bug", problem: String(error), remedy };
    ledger.finish(run, { outcome: "failed", failure, warnings: [] });
    throw error;
  });
  ledger.finish(run, ending);
  const wentWell = ending.outcome === "good" || ending.outcome === "warning";
  const neglected = wentWell ? await care({ job, ledger, ...options }) : [];
  for (const warning of neglected) options.onNote?.(warning);
  const [breach] = ledger.openBreaches(job.job);
  return {
    run,
    ...ending,
    ...(neglected.length > 0 ? { outcome: "warning", warnings: [...ending.warnings, ...neglected] } : {}),
    ...(breach ? { breach: `${describeBreach(breach)} ${breachRemedy(job.job)}` } : {}),
  };
}

/** Sorts by time, names the socket and the archive, and cannot be guessed: `20261122t031500z-9f3c1a07be42`. */
export function newRun(now: Date = new Date()): string {
  const time = now
    .toISOString()
    .replace(/[-:]|\.\d+/g, "")
    .toLowerCase();
  return `${time}-${crypto.randomBytes(6).toString("hex")}`;
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
  // What a run that died has left is looked at before another one adds to it.
  const before = await orFailure(async () => {
    const looked = await gate({ job, ledger, pending: run, ...(signal ? { signal } : {}) });
    await forgetCaches(job, ledger, signal);
    return looked;
  }, signal);
  if ("problem" in before) return { outcome: "failed", failure: before, warnings: [] };
  const report = onProgress && progressReporter(onProgress, ledger.lastGood(job.job)?.figures?.originalBytes);
  let notes = 0;
  const facts = await orFailure(() =>
    session({
      job,
      run,
      passphrase,
      state,
      ...(signal ? { signal } : {}),
      onMessage: (message) => {
        if (message.type === "progress") report?.(message);
        else if (isNote(message) && notes++ < mostNotes) onNote?.(clean(message.message, 8192));
      },
    }),
  );
  const verdict: Verdict =
    "problem" in facts
      ? { outcome: "failed", failure: facts, warnings: [] }
      : classify(facts, { host: endpoint(job.pull), instance: job.instance, ...job.limits });
  const reportedId = verdict.outcome === "failed" ? undefined : verdict.report.id;
  const served = "stage" in facts && facts.stage === "ran" ? facts.served : undefined;
  // Recorded first: if the gate does not come to its end, a later one has to know of it.
  ledger.serve(run, { reportedId, forbidden: served?.refusal, ignoredPuts: served?.ignoredPuts });
  // Without the signal: what was served is looked at even when the run is cancelled.
  const looked = await orFailure(() => gate({ job, ledger, run }));
  return conclude({ job: job.job, run, host: endpoint(job.pull) }, verdict, looked);
}

/** A VPS may write any number of lines, and who reads them keeps them. */
const mostNotes = 1000;

const isNote = (message: Exclude<Message, { type: "progress" }>): boolean =>
  message.type === "text" || message.level === "warning" || message.level === "error";

async function orFailure<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T | Failure> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted)
      return { kind: "cancelled", problem: "The run was cancelled.", remedy: "Run it again." };
    if (!(error instanceof UserError)) throw error;
    return { kind: kindOf(error), problem: error.problem, remedy: error.remedy };
  }
}

function kindOf(error: UserError): Failure["kind"] {
  if (error instanceof RepositoryMissingError) return "repository-missing";
  if (error instanceof ReachError) return error.failure;
  return error instanceof RepositoryLockedError ? "repository-locked" : "not-verified";
}
