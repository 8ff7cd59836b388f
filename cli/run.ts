import { Command } from "commander";
import { bytes, count, describeProgress } from "../pull/progress.ts";
import type { RunResult } from "../pull/result.ts";
import { runJob } from "../pull/run.ts";
import { describe, UserError } from "../schema/errors.ts";
import { jobName } from "../schema/names.ts";
import { homePaths } from "../schema/paths.ts";
import { exitCodeOf, exitCodes, worst } from "./exit-code.ts";

/** `borgpull run JOB...`: back up now, one job after the other. */
export function runCommand(): Command {
  return new Command("run")
    .description("back up now: one run of each job, one after the other")
    .argument("<job...>", "names of jobs, as in the config")
    .action(async (jobs: string[]) => {
      const files = jobs.map(jobFileOf);
      process.exitCode = await runAll(jobs, files);
    });
}

function jobFileOf(job: string): string {
  const parsed = jobName.safeParse(job);
  if (!parsed.success) {
    throw new UserError(
      `"${job}" is not a job's name (1 to 40 of a-z, 0-9 and -).`,
      "Give the name from the config.",
    );
  }
  return homePaths().jobFile(parsed.data);
}

async function runAll(jobs: readonly string[], files: readonly string[]): Promise<number> {
  const cancel = new AbortController();
  const stop = () => cancel.abort();
  // Once: a second Ctrl-C ends us at once, and the kernel lets go of the lock.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, stop);
  const codes: number[] = [];
  for (const [index, file] of files.entries()) {
    const job = jobs[index] as string;
    if (cancel.signal.aborted) codes.push(exitCodes.failed);
    else codes.push(await runOne(job, file, cancel.signal));
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, stop);
  return worst(codes);
}

async function runOne(job: string, file: string, signal: AbortSignal): Promise<number> {
  const line = statusLine();
  try {
    const result = await runJob(file, {
      signal,
      onProgress: (progress) => line.show(`${job}: ${describeProgress(progress)}`),
      onNote: (note) => line.say(`${job}: ${note}`),
    });
    line.clear();
    report(job, result);
    return exitCodeOf(result);
  } catch (error) {
    line.clear();
    console.error(`${job}: ${describe(error)}`);
    return error instanceof UserError ? exitCodes.failed : exitCodes.bug;
  }
}

function report(job: string, { outcome, archive, figures, failure, warnings }: RunResult): void {
  if (failure) console.error(`${job}: failed (${failure.kind}). ${failure.problem} ${failure.remedy}`);
  if (!archive || !figures) return;
  const parts = [
    `${count(figures.files)} files`,
    `${bytes(figures.originalBytes)} read`,
    `${bytes(figures.newBytes)} new`,
    `${figures.seconds.toFixed(1)} s`,
    `archive ${archive.name}`,
    ...(warnings.length > 0 ? [`${warnings.length} warning(s)`] : []),
  ];
  console.log(`${job}: ${outcome}, ${parts.join(", ")}`);
}

/** One line of a terminal that is written over; elsewhere only what is said stays. */
function statusLine() {
  const terminal = process.stderr.isTTY;
  const clear = () => {
    if (terminal) process.stderr.write("\r\x1b[K");
  };
  return {
    clear,
    show: (text: string) => {
      if (terminal) process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
    },
    say: (text: string) => {
      clear();
      console.error(text);
    },
  };
}
