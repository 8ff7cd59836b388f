import * as crypto from "node:crypto";
import { ReachError, UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { endpoint } from "../schema/target.ts";
import { RepositoryLockedError } from "./borg.ts";
import { care } from "./care.ts";
import { readJobFile } from "./job.ts";
import { type Ending, type Ledger, openLedger } from "./ledger.ts";
import { clean } from "./lines.ts";
import { lockJob } from "./lock.ts";
import { toldIfRefused, withNotices } from "./notify.ts";
import { type Progress, progressReporter } from "./progress.ts";
import { proof } from "./proof.ts";
import type { Failure, RunResult } from "./result.ts";
import { forgetCaches } from "./rollback/forget-cache.ts";
import { conclude } from "./run/conclude.ts";
import { withHooksAtHome } from "./run/home-hooks.ts";
import { withLateWarnings } from "./run/late-warnings.ts";
import { lackOfBorg, readyAtHome } from "./run/ready.ts";
import { classify, type Verdict } from "./session/classify.ts";
import type { Message } from "./session/messages.ts";
import { setOut } from "./session/way.ts";
import { session } from "./session.ts";
import { repositoryBytes } from "./status/size.ts";
import { RepositoryMissingError } from "./trust/config-file.ts";
import { breachRemedy, describeBreach } from "./trust/describe.ts";
import { gate } from "./trust/gate.ts";
import { type Ahead, lookAhead } from "./trust/look-ahead.ts";
import { versionsApart } from "./versions.ts";

export interface RunOptions {
  /** What runs it, for whoever finds the job's lock held. @default "borgpull run" */
  readonly by?: string;
  /** Ends the run: borg on both sides, the lock, the socket. */
  readonly signal?: AbortSignal;
  /** At most four times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** A line worth a person's eye: borg's warnings and errors, what hooks and sudo write. */
  readonly onNote?: (text: string) => void;
  /** What home does to the repository after the pull, such as "compacting 40%"; as often as progress. */
  readonly onStep?: (text: string) => void;
  /** It is tried again after such a result: nobody is told of this one. */
  readonly willRetry?: (result: RunResult) => boolean;
}

/**
 * One backup from lock to record. What goes wrong once the run has begun is in the result, and in the ledger.
 * @param file the job file
 * @throws UserError when the run could not begin: job file, lock, home's records
 */
export async function runJob(file: string, options: RunOptions = {}): Promise<RunResult> {
  const job = readJobFile(file);
  using begun = await toldIfRefused({ job, ...options }, () => begin(job, options.by));
  const { run, ledger } = begun;
  // Awaited here: the lock and the ledger are let go when this returns.
  return await withNotices({ job, ledger, ...options }, () =>
    withHooksAtHome({ job, run, ledger, ...options }, (refused) => pullAndCare(begun, refused, options)),
  );
}

interface Pull {
  readonly job: JobFile;
  readonly run: string;
  readonly ledger: Ledger;
}

/** The job's lock, home's records, and in them the intent: a crash from here on leaves an open run, not an unexplained archive. */
function begin(job: JobFile, by = "borgpull run"): Pull & Disposable {
  const paths = homePaths();
  using opened = new DisposableStack();
  opened.use(lockJob(paths.lock(job.job), job.job, { by }));
  const ledger = opened.use(openLedger(paths.stateDb));
  const run = newRun();
  ledger.begin(run, job.job);
  const kept = opened.move();
  return { job, run, ledger, [Symbol.dispose]: () => kept.dispose() };
}

async function pullAndCare(
  begun: Pull,
  refused: Failure | undefined,
  options: RunOptions,
): Promise<RunResult> {
  const { job, run, ledger } = begun;
  const work = refused ? failed(refused) : pull(begun, options);
  const ending = await work.catch((error) => {
    if (error instanceof UserError) throw error; // home's records: the run stays open, and the next one finds it
    const remedy = "This is a bug of borgpull; please report it.";
    const failure: Failure = { kind: "bug", problem: String(error), remedy };
    ledger.finish(run, { outcome: "failed", failure, warnings: [] });
    throw error;
  });
  ledger.finish(run, ending);
  const wentWell = ending.outcome === "good" || ending.outcome === "warning";
  const neglected = wentWell ? await care({ job, ledger, proof, ...options }) : [];
  noteSize(begun);
  const [breach] = ledger.openBreaches(job.job);
  const result: RunResult = {
    run,
    ...ending,
    ...(breach ? { breach: `${describeBreach(breach)} ${breachRemedy(job.job)}` } : {}),
  };
  return withLateWarnings(result, neglected, { ledger, ...options });
}

/** For the person who looks at it: what cannot be noted, on a full disk, takes nothing from the run's result. */
function noteSize({ job, run, ledger }: Pull): void {
  try {
    const size = repositoryBytes(job.repository);
    if (size !== undefined) ledger.setRepositoryBytes(run, size);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
}

const failed = async (failure: Failure): Promise<Ending> => ({ outcome: "failed", failure, warnings: [] });

/** Sorts by time, names the socket and the archive, and cannot be guessed: `20261122t031500z-9f3c1a07be42`. */
export function newRun(now: Date = new Date()): string {
  const time = now
    .toISOString()
    .replace(/[-:]|\.\d+/g, "")
    .toLowerCase();
  return `${time}-${crypto.randomBytes(6).toString("hex")}`;
}

async function pull({ job, run, ledger }: Pull, options: RunOptions): Promise<Ending> {
  const { signal, onProgress, onNote } = options;
  const ready = await readyAtHome(job);
  if ("problem" in ready) return failed(ready);
  using way = setOut(job.pull);
  const noBorg = await lackOfBorg();
  if (noBorg) return failed(noBorg);
  // What a run that died has left is looked at before another one adds to it.
  const before = await orFailure(async () => {
    const looked = await gate({ job, ledger, pending: run, ...(signal ? { signal } : {}) });
    await forgetCaches(job, ledger, signal);
    return looked;
  }, signal);
  if ("problem" in before) return failed(before);
  const report = onProgress && progressReporter(onProgress, ledger.lastGood(job.job)?.figures?.originalBytes);
  let ahead: Promise<Ahead | undefined> | undefined;
  // The gate ends it; what keeps us from coming so far must not leave it at work.
  await using _ahead = { [Symbol.asyncDispose]: async () => (await ahead)?.[Symbol.asyncDispose]() };
  let notes = 0;
  const noted = new Set<string>();
  const facts = await orFailure(() =>
    session({
      job,
      run,
      passphrase: ready.passphrase,
      state: homePaths().state,
      way,
      ...(signal ? { signal } : {}),
      onServed: () => {
        ahead = lookAhead(job, run, ledger).catch(() => undefined); // the gate looks itself, and says what is amiss
      },
      onMessage: (message) => {
        if (message.type === "progress") return report?.(message);
        if (signal?.aborted) return; // how everything ends: tracebacks of borg, mostly
        if (!isNote(message) || notes++ >= mostNotes) return;
        noted.add(clean(message.message));
        onNote?.(clean(message.message, 8192));
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
  const looked = await orFailure(async () => gate({ job, ledger, run, ahead: await ahead }));
  const vps = "stage" in facts && facts.stage === "ran" ? facts.greeting?.borgctl : undefined;
  const apart = versionsApart({ host: endpoint(job.pull), vps, jobFile: job.program });
  const warnings = [...(apart ? [apart] : []), ...verdict.warnings];
  const ending = conclude({ job: job.job, run, host: endpoint(job.pull) }, { ...verdict, warnings }, looked);
  // Those of home's own; borg's were told as they came.
  for (const warning of ending.warnings) if (!noted.has(warning)) onNote?.(warning);
  return ending;
}

/** A VPS may write any number of lines, and who reads them keeps them. */
const mostNotes = 1000;

const isNote = (message: Exclude<Message, { type: "progress" }>): boolean =>
  message.type !== "log" || message.level === "warning" || message.level === "error";

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
