import { Command } from "commander";
import { backUp } from "../pull/attempts.ts";
import { JobBusyError } from "../pull/lock.ts";
import { describe, UserError } from "../schema/errors.ts";
import { cancelling } from "./cancel.ts";
import { exitCodes, worst } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";
import { codeOf, type End, type RunEvent, type View } from "./run/event.ts";
import { selectJobs } from "./run/select.ts";
import { type Shape, viewFor } from "./run/views.ts";

interface Options {
  readonly all?: boolean;
  readonly stale?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** `borgpull run JOB... | --all`: back up now. */
export function runCommand(): Command {
  return new Command("run")
    .description("back up now: one run of each job, several at a time")
    .argument("[job...]", "names of jobs, as in the config")
    .option("--all", "every job of this machine; one that is being pulled already is left to that run")
    .option("--stale", "only those whose last good backup is older than their staleAfter")
    .option("--json", "one JSON object a line: start, progress, note, end")
    .option("--quiet", "say nothing but what is not good")
    .addHelpText("after", help)
    .action(async (names: string[], { all = false, stale = false, ...shape }: Options, command: Command) => {
      if (names.length > 0 && all) command.error("error: name jobs, or --all, not both");
      if (names.length === 0 && !all && !stale) command.error("error: name a job, or --all");
      const { json = false, quiet = false } = shape;
      const jobs = selectJobs({ names, stale });
      if (jobs.length === 0 && !json && !quiet) console.log("No backup is stale.");
      process.exitCode = await runAll(jobs, { json, quiet, leaveBusy: names.length === 0 });
    });
}

const help = `
No more jobs run at once than maxParallel says, timers and "pulumi up" included; the others wait for their turn.
While a VPS cannot be reached its run is tried again, as often as limits.retries says.

Exit code: 0 good, 1 with warnings, 2 failed, 3 tampering waits for your decision, 75 try later: the VPS cannot be reached, or
the job is being pulled already. Of several jobs, the one that needs you most.

Examples:
  borgpull run web1
  borgpull run --all --stale
  borgpull run --all --json | jq -r 'select(.type == "end") | "\\(.job) \\(.outcome)"'`;

interface Manner extends Shape {
  /** A job that somebody else is pulling is no failure. */
  readonly leaveBusy: boolean;
}

async function runAll(jobs: readonly string[], { leaveBusy, ...shape }: Manner): Promise<number> {
  using cancel = cancelling();
  using view = await viewFor(shape);
  const codes = jobs.map(async (job) => {
    const end = await runOne(job, view, cancel.signal).catch((error) => refusal(error, leaveBusy));
    view.show({ type: "end", job, end });
    return codeOf(end);
  });
  return worst([exitCodes.good, ...(await Promise.all(codes))]);
}

async function runOne(job: string, { show }: View, signal: AbortSignal): Promise<End> {
  // From Ctrl-C on it ends, whatever else it is at; what hooks at home have to say of that is told.
  const unlessEnding = (event: RunEvent) => {
    if (!signal.aborted) show(event);
  };
  const ending = () => show({ type: "step", job, text: "ending" });
  const result = await backUp(jobFileOf(job), {
    signal,
    onBegin: () => {
      show({ type: "start", job });
      signal.addEventListener("abort", ending, { once: true });
    },
    onProgress: (progress) => unlessEnding({ type: "progress", job, progress }),
    onStep: (text) => unlessEnding({ type: "step", job, text }),
    onNote: (text) => show({ type: "note", job, text }),
    onPause: (pause) => unlessEnding({ type: "pause", job, pause }),
  }).finally(() => signal.removeEventListener("abort", ending));
  return { kind: "ran", result };
}

function refusal(error: unknown, leaveBusy: boolean): End {
  if (error instanceof JobBusyError) {
    if (leaveBusy) return { kind: "skipped", reason: `left out. ${error.problem}` };
    return { kind: "refused", code: exitCodes.unreachable, reason: error.message };
  }
  const code = error instanceof UserError ? exitCodes.failed : exitCodes.bug;
  return { kind: "refused", code, reason: describe(error) };
}
