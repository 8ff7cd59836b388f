import { Command } from "commander";
import { bytes, count, describeProgress } from "../pull/progress.ts";
import type { RunResult } from "../pull/result.ts";
import { runJob } from "../pull/run.ts";
import { describe, UserError } from "../schema/errors.ts";
import { cancelling } from "./cancel.ts";
import { exitCodeOf, exitCodes, worst } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";
import { statusLine } from "./status-line.ts";

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

async function runAll(jobs: readonly string[], files: readonly string[]): Promise<number> {
  using cancel = cancelling();
  const codes: number[] = [];
  for (const [index, file] of files.entries()) {
    const job = jobs[index] as string;
    if (cancel.signal.aborted) codes.push(exitCodes.failed);
    else codes.push(await runOne(job, file, cancel.signal));
  }
  return worst(codes);
}

async function runOne(job: string, file: string, signal: AbortSignal): Promise<number> {
  const line = statusLine();
  try {
    const result = await runJob(file, {
      signal,
      onProgress: (progress) => line.show(`${job}: ${describeProgress(progress)}`),
      onNote: (note) => line.say(`${job}: ${note}`),
      onStep: (step) => line.show(`${job}: ${step}`),
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

function report(job: string, { outcome, archive, figures, failure, warnings, breach }: RunResult): void {
  if (failure) console.error(`${job}: failed (${failure.kind}). ${failure.problem} ${failure.remedy}`);
  if (breach && outcome !== "tampered") console.error(`${job}: ${breach}`);
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
