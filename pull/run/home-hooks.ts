import type { JobFile } from "../../schema/job-file.ts";
import type { Ledger } from "../ledger.ts";
import type { Failure, Outcome, RunResult } from "../result.ts";
import { describeEnd, type ShellEnd, shellAtHome } from "./home-shell.ts";
import { withLateWarnings } from "./late-warnings.ts";

export interface HomeHooksOptions {
  readonly job: JobFile;
  readonly run: string;
  readonly ledger: Ledger;
  readonly signal?: AbortSignal | undefined;
  /** What the hooks write, a line at a time. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** After a run was cancelled, a hook that undoes what another one did has this long. */
const hurriedSeconds = 60;

/**
 * Runs the job's hooks at home around the work of a run: before, and whatever comes of it onError (it failed or was tampered with),
 * then after.
 * @param work given a failure when the hook before failed: nothing is to be connected then
 * @returns the work's result; a hook that failed afterwards is a warning, and makes a good run one with warnings
 */
export async function withHooksAtHome(
  options: HomeHooksOptions,
  work: (refused: Failure | undefined) => Promise<RunResult>,
): Promise<RunResult> {
  let result: RunResult;
  try {
    result = await work(await before(options));
  } catch (error) {
    await afterwards(options, "failed");
    throw error;
  }
  return withLateWarnings(result, await afterwards(options, result.outcome), options);
}

async function before(options: HomeHooksOptions): Promise<Failure | undefined> {
  const bad = await hook(options, "before", {}, options.signal);
  if (!bad) return undefined;
  if (bad.how === "cancelled") {
    return { kind: "cancelled", problem: "The run was cancelled.", remedy: "Run it again." };
  }
  return {
    kind: "hook-failed",
    problem: `${bad.what}, so nothing was pulled.`,
    remedy: "Run it by hand to see why: it is hooks.atHome.before of this job.",
  };
}

/** @returns warnings */
async function afterwards(options: HomeHooksOptions, outcome: Outcome): Promise<readonly string[]> {
  const names =
    outcome === "failed" || outcome === "tampered" ? (["onError", "after"] as const) : (["after"] as const);
  const warnings: string[] = [];
  for (const name of names) {
    // Without the signal: what was begun is undone, whoever cancelled the run.
    const bad = await hook(options, name, { BORGPULL_OUTCOME: outcome });
    if (bad) warnings.push(`${bad.what}.`);
  }
  return warnings;
}

/** @returns what went wrong, if anything did */
async function hook(
  { job, run, signal, onNote }: HomeHooksOptions,
  name: keyof NonNullable<JobFile["hooksAtHome"]>,
  env: Readonly<Record<string, string>>,
  ending?: AbortSignal,
): Promise<{ readonly how: ShellEnd["how"]; readonly what: string } | undefined> {
  const set = job.hooksAtHome?.[name];
  if (!set) return undefined;
  const timeoutSeconds = signal?.aborted ? Math.min(set.timeoutSeconds, hurriedSeconds) : set.timeoutSeconds;
  const end = await shellAtHome({
    run: set.run,
    env: { BORGPULL_JOB: job.job, BORGPULL_RUN: run, ...env },
    timeoutSeconds,
    signal: ending,
    onLine: (line) => onNote?.(`${name} hook at home: ${line}`),
  });
  if (end.how === "exit" && end.code === 0) return undefined;
  return { how: end.how, what: `The ${name} hook at home ${describeEnd(end, timeoutSeconds)}` };
}
