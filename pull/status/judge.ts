import type { JobFile } from "../../schema/job-file.ts";
import { describeAge } from "../due.ts";
import { type Breach, type CheckKind, checkKinds } from "../ledger.ts";
import { clean, sentence } from "../lines.ts";
import { localTime } from "../time.ts";
import { breachRemedy, describeFindings } from "../trust/describe.ts";
import { systemctl } from "./next-run.ts";
import type { LastGoodBackup, LastRun, Standing } from "./standing.ts";

interface Facts {
  readonly job: JobFile;
  readonly lastGood: LastGoodBackup | undefined;
  readonly lastRun: LastRun | undefined;
  readonly checks: Standing["checks"];
  readonly stale: boolean;
  readonly breaches: readonly Breach[];
}

type Judgement = Pick<Standing, "state" | "problem" | "remedy">;

/** The state of a job, with what is wrong and what to do. */
export function judge({
  job: { job, ...file },
  lastGood,
  lastRun,
  checks,
  stale,
  breaches,
}: Facts): Judgement {
  const [breach] = breaches;
  if (breach) {
    const problem = `Its repository was tampered with, found ${localTime(breach.found)}: ${describeFindings(breach.findings)}.`;
    return { state: "tampered", problem, remedy: breachRemedy(job) };
  }
  if (lastRun?.outcome === "failed" || lastRun?.outcome === "abandoned") return failedRun(job, lastRun);
  const badCheck = checkKinds.find((kind) => checks[kind].last?.outcome === "failed");
  if (badCheck) return failedCheck(job, badCheck, checks[badCheck].last?.detail.problem);
  if (stale) {
    const limit = describeAge(file.staleAfterSeconds);
    return {
      state: "stale",
      problem: lastGood
        ? `The last good backup is ${describeAge(lastGood.ageSeconds)} old, and more than ${limit} is stale.`
        : `No good backup in the ${limit} since home knows of it.`,
      remedy: file.schedule
        ? `See why none came: "${systemctl().join(" ")} status borgpull-${job}.timer"; or run "borgpull run ${job}" now.`
        : `Run "borgpull run ${job}", and give it a schedule.`,
    };
  }
  if (!lastGood) {
    return { state: "never", problem: "No good backup yet.", remedy: `Run "borgpull run ${job}".` };
  }
  if (lastRun?.outcome === "warning") return runWithWarnings(job, lastRun);
  return { state: "good" };
}

function failedRun(job: string, { outcome, failure, started }: LastRun): Judgement {
  if (failure) {
    return { state: "failed", problem: clean(failure.problem, 600), remedy: clean(failure.remedy, 600) };
  }
  return {
    state: "failed",
    problem:
      outcome === "abandoned"
        ? `The run of ${localTime(started)} came to no end: borgpull was killed, or the machine went down.`
        : `The run of ${localTime(started)} failed.`,
    remedy: `Run "borgpull run ${job}".`,
  };
}

function runWithWarnings(job: string, { warnings, failedDumps }: LastRun): Judgement {
  // What a dump says of itself comes among borg's warnings of files, of which there may be many.
  const [dump] = failedDumps ? warnings.filter((text) => text.startsWith("The dump ")) : [];
  const first = dump ?? warnings[0] ?? "borg warned.";
  const more = warnings.length > 1 ? ` And ${warnings.length - 1} more.` : "";
  return {
    state: "warning",
    problem: `${sentence(clean(first, 300))}${more}`,
    remedy: failedDumps
      ? `The backup was made without ${clean(failedDumps.join(", "), 200)}: try that command on the VPS as its user, then run "borgpull run ${job}".`
      : "The backup was made; see whether what it lacks matters.",
  };
}

function failedCheck(job: string, kind: CheckKind, problem = ""): Judgement {
  const what = `The ${checkNames[kind]} failed`;
  return {
    state: "failed",
    problem: problem ? `${what}: ${sentence(clean(problem, 400))}` : `${what}.`,
    remedy: `See docs/operations.md, then run "borgpull ${kind === "proof" ? `proof ${job}` : `check ${job} --${kind}`}".`,
  };
}

/** As a person reads them. */
export const checkNames: Readonly<Record<CheckKind, string>> = {
  repository: "check of the repository",
  archives: "check of the archives",
  data: "check of all data",
  proof: "restore proof",
};
