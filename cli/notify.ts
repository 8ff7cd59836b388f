import { Command } from "commander";
import { readJobFile } from "../pull/job.ts";
import { wrap } from "../pull/lines.ts";
import { type TestedChannel, testChannels } from "../pull/notify.ts";
import { jobNames } from "../pull/status.ts";
import { UserError } from "../schema/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";

const help = `
Nothing is recorded: what a channel is told next stays the same. A healthchecks channel gets a line in its log and stays as it is.

Exit code: 0 when every channel took it, else 2.

Example:
  $ borgpull notify --test web1`;

/** `borgpull notify --test [JOB...]`: whether a notice would arrive. */
export function notifyCommand(): Command {
  return new Command("notify")
    .description("send a test notice over the channels of jobs, all jobs unless some are named")
    .argument("[job...]", "names of jobs, as in the config")
    .requiredOption("--test", "send a test notice, and print which channels took it")
    .addHelpText("after", help)
    .action(async (names: string[]) => {
      const jobs = (names.length > 0 ? names : jobNames()).map((name) => readJobFile(jobFileOf(name)));
      const tested = await testChannels(jobs);
      if (tested.length === 0) {
        throw new UserError(
          `${jobs.length === 0 ? "There are no jobs" : "No job has a channel"} to test.`,
          'Give one in the config, "notify: { phone: { kind: ntfy, url: ... } }", and run "pulumi up".',
        );
      }
      for (const line of linesOf(tested)) console.log(line);
      if (tested.some(({ problem }) => problem)) process.exitCode = exitCodes.failed;
    });
}

const named = 3;

const shortened = (jobs: readonly string[]): string =>
  jobs.length > named + 1
    ? `${jobs.slice(0, named).join(", ")} and ${jobs.length - named} more`
    : jobs.join(", ");

/** One line a channel: name, kind, jobs, and whether it was told; below it why not. */
export function linesOf(tested: readonly TestedChannel[]): readonly string[] {
  const rows = tested.map(({ name, kind, jobs, problem }) => ({
    channel: `${name} (${kind})`,
    jobs: shortened(jobs),
    problem,
  }));
  const width = (column: "channel" | "jobs") => Math.max(...rows.map((row) => row[column].length));
  return rows.flatMap(({ channel, jobs, problem }) => [
    `${channel.padEnd(width("channel"))}  ${jobs.padEnd(width("jobs"))}  ${problem ? "not told" : "told"}`,
    ...(problem ? wrap(problem, 76).map((line) => `  ${line}`) : []),
  ]);
}
