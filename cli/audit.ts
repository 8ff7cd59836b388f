import { styleText } from "node:util";
import { Command } from "commander";
import { audit } from "../pull/audit/audit.ts";
import type { Attempt } from "../pull/audit/judge.ts";
import { readJobFile } from "../pull/job.ts";
import { wrap } from "../pull/lines.ts";
import { lockJob } from "../pull/lock.ts";
import { describe, ReachError } from "../schema/errors.ts";
import { homePaths } from "../schema/paths.ts";
import { exitCodes } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";
import { statusLine } from "./status-line.ts";

/** `borgpull audit JOB`: tries with the job's pull key what it must not be able to do, and what it must. */
export function auditCommand(): Command {
  return new Command("audit")
    .description("try with a job's pull key what it must not be able to do on the VPS, and what it must")
    .argument("<job>", "name of a job, as in the config")
    .option("--json", "print the attempts as JSON")
    .addHelpText(
      "after",
      `
A code in the table, as in "refused (200)", is borgctl's own exit code.

Example:
  borgpull audit web1`,
    )
    .action(async (job: string, { json = false }: { readonly json?: boolean }) => {
      process.exitCode = await auditOne(job, json);
    });
}

async function auditOne(name: string, json: boolean): Promise<number> {
  const { job, instance, pull: target } = readJobFile(jobFileOf(name));
  using _lock = lockJob(homePaths().lock(job), job, { by: "borgpull audit", brief: true });
  const line = statusLine();
  try {
    const attempts = await audit({
      target,
      instance,
      job,
      onAttempt: ({ tried }) => line.show(`${job}: ${tried}`),
    });
    line.clear();
    const held = attempts.filter(({ holds }) => holds).length;
    if (json) console.log(JSON.stringify(attempts, null, 2));
    else
      console.log(`${table(attempts, process.stdout.columns)}\n${job}: ${held} of ${attempts.length} hold`);
    return held === attempts.length ? exitCodes.good : exitCodes.failed;
  } catch (error) {
    line.clear();
    if (!(error instanceof ReachError)) throw error;
    console.error(`${job}: ${describe(error)}`);
    const away = error.failure === "unreachable" || error.failure === "connection-lost";
    return away ? exitCodes.unreachable : exitCodes.failed;
  }
}

/**
 * The attempts as lines of three columns, those that do not hold first.
 * @param width of the terminal; what is seen goes on below itself when it is longer than that
 */
export function table(attempts: readonly Attempt[], width = 100): string {
  const ordered = attempts.toSorted((a, b) => Number(a.holds) - Number(b.holds));
  const head = { tried: "tried", expected: "expected", seen: "seen" };
  const widest = (column: "tried" | "expected") =>
    Math.max(...[head, ...attempts].map((row) => row[column].length)) + 2;
  const [tried, expected] = [widest("tried"), widest("expected")];
  const indent = markWidth + tried + expected;
  const row = (mark: string, cells: typeof head) => {
    const [first = "", ...more] = wrap(cells.seen, Math.max(20, width - indent));
    const start = `${mark.padEnd(markWidth)}${cells.tried.padEnd(tried)}${cells.expected.padEnd(expected)}`;
    return [`${start}${first}`, ...more.map((part) => `${" ".repeat(indent)}${part}`)].join("\n");
  };
  return [
    row("", head),
    ...ordered.map((attempt) =>
      attempt.holds
        ? row("ok", attempt)
        : styleText("red", row("FAILS", attempt), { stream: process.stdout }),
    ),
  ].join("\n");
}

const markWidth = "FAILS".length + 1;
