import { Command } from "commander";
import type { BorgCheck } from "../pull/borg.ts";
import { type Checked, check, checkSteps } from "../pull/care/check.ts";
import { careRecords, dueCare } from "../pull/care/due.ts";
import { checkNames, checkRemedy } from "../pull/care/sound.ts";
import { clean } from "../pull/lines.ts";
import { percent } from "../pull/quantities.ts";
import { readConfig } from "../pull/trust/config-file.ts";
import { breachRemedy, describeBreach } from "../pull/trust/describe.ts";
import { describe, UserError } from "../schema/errors.ts";
import { exitCodes, worst } from "./exit-code.ts";
import { selectJobs } from "./run/select.ts";
import { statusLine } from "./status-line.ts";
import { type Open, withJob } from "./with-job.ts";

interface Wanted {
  readonly kinds: readonly BorgCheck[];
  readonly ifDue: boolean;
}

interface Options extends Partial<Readonly<Record<BorgCheck, boolean>>> {
  readonly all?: boolean;
  readonly ifDue?: boolean;
}

/** `borgpull check JOB... | --all`: borg's own checks of repositories. */
export function checkCommand(): Command {
  return new Command("check")
    .description("let borg check repositories at home: their data on disk, and the archives in them")
    .argument("[job...]", "names of jobs, as in the config")
    .option("--all", "every job of this machine, one after the other")
    .option("--repository", "read all segments and compare their checksums and the index")
    .option("--archives", "look whether every archive's chunks are there, without reading them")
    .option("--data", "decrypt all data and compare it with its ids: slow")
    .option("--if-due", "only what is due by the job's care, as after a good run")
    .addHelpText("after", help)
    .action(async (names: string[], { all = false, ifDue = false, ...asked }: Options, command: Command) => {
      if (names.length > 0 && all) command.error("error: name jobs, or --all, not both");
      if (names.length === 0 && !all) command.error("error: name a job, or --all");
      const kinds = every.filter((kind) => asked[kind]);
      const unless = ifDue ? every : usual;
      process.exitCode = await checkAll(selectJobs({ names, stale: false }), {
        kinds: kinds.length > 0 ? kinds : unless,
        ifDue,
      });
    });
}

const every: readonly BorgCheck[] = ["repository", "archives", "data"];
const usual: readonly BorgCheck[] = ["repository", "archives"];

const help = `
Without a kind: --repository and --archives. Nothing is repaired. No pull of a job begins meanwhile.
After a failed check nothing is pruned or compacted until one of the same kind is good:
docs/operations.md says what to do.

Exit code: 0 good, 2 a check failed or could not be done, 3 tampering waits for your decision.

Examples:
  borgpull check web1
  borgpull check web1 --data
  borgpull check --all --if-due`;

async function checkAll(jobs: readonly string[], wanted: Wanted): Promise<number> {
  const codes: number[] = [];
  for (const job of jobs) {
    let cancelled = false;
    const one = async (open: Open) => {
      open.signal.addEventListener("abort", () => {
        cancelled = true;
      });
      codes.push(await checkJob(open, wanted));
    };
    try {
      await withJob("check", job, one);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      // One that is being pulled now, or cannot be read, keeps no other from its check.
      console.error(describe(error));
      codes.push(exitCodes.failed);
    }
    if (cancelled) break;
  }
  return worst(codes);
}

async function checkJob(open: Open, { kinds, ifDue }: Wanted): Promise<number> {
  const { job, ledger } = open;
  const wanted = ifDue ? kinds.filter((kind) => dueNow(open).has(kind)) : kinds;
  if (wanted.length === 0) console.log(`${job.job}: no check is due.`);
  const codes: number[] = [exitCodes.good];
  for (const kind of wanted) codes.push(report(job.job, await checkOne(open, kind)));
  const [breach] = ledger.openBreaches(job.job);
  if (breach) {
    console.error(`${job.job}: ${describeBreach(breach)} ${breachRemedy(job.job)}`);
    codes.push(exitCodes.tampered);
  }
  return worst(codes);
}

const dueNow = ({ job, ledger }: Open): ReadonlySet<string> =>
  new Set(dueCare(job.care ?? {}, careRecords(job.job, readConfig(job.repository).id, ledger), Date.now()));

async function checkOne({ job, ledger, signal }: Open, kind: BorgCheck): Promise<Checked> {
  const line = statusLine();
  const show = (share: number) => line.show(`${job.job}: ${checkSteps[kind]} ${percent(share)}`);
  show(0);
  return await check({ job, ledger, signal, kind, onProgress: show }).finally(line.clear);
}

function report(job: string, { kind, outcome, detail, confirmed }: Checked): number {
  if (outcome === "failed") {
    console.error(
      `${job}: the ${checkNames[kind]} failed: ${clean(detail.problem ?? "")} ${checkRemedy(job, kind)}`,
    );
    return exitCodes.failed;
  }
  console.log(`${job}: ${checkNames[kind]} good (${detail.summary})`);
  for (const name of confirmed) console.log(`${job}: ${clean(name, 100)} counts as good from now on`);
  return exitCodes.good;
}
