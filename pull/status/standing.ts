import type { JobFile } from "../../schema/job-file.ts";
import { endpoint } from "../../schema/target.ts";
import { type Breach, type CheckKind, type CheckRecord, checkKinds, type RunRecord } from "../ledger.ts";
import type { Archive, Failure, Figures, Outcome } from "../result.ts";
import { type Advice, adviceOn } from "./advice.ts";
import { growthPerWeek } from "./growth.ts";
import { judge } from "./judge.ts";
import type { JobRecords } from "./records.ts";

/**
 * The worst first. tampered: something was found that waits for a person. failed: the last run or the last check did. stale: the last
 * good backup is too old, or none came in that time. never: none is there yet, and it is not late. warning: the last run had some.
 */
export const states = ["tampered", "failed", "stale", "never", "warning", "good"] as const;
export type State = (typeof states)[number];

export interface LastGoodBackup {
  readonly run: string;
  readonly archive?: Archive;
  readonly figures?: Figures;
  /** When its run began, and when it had ended: milliseconds since 1970, by home's clock. */
  readonly started: number;
  readonly finished: number;
  readonly ageSeconds: number;
}

export interface LastRun {
  readonly run: string;
  readonly started: number;
  readonly finished: number;
  /** abandoned: borgpull died in it, or the machine did. */
  readonly outcome: Outcome | "abandoned";
  readonly failure?: Failure;
  readonly warnings: readonly string[];
  /** Names of the dumps that are not whole in its archive; left out when all are. */
  readonly failedDumps?: readonly string[];
}

export interface CheckStanding {
  /** The last one that came to a verdict. */
  readonly last?: CheckRecord;
  /** How often the job wants one; left out: never. */
  readonly everySeconds?: number;
  /** It is wanted, and by half of its period too late: care is done after a good run only. */
  readonly overdue: boolean;
}

/** How one job stands: plain data. Texts in it are cleaned and bounded. */
export interface Standing {
  readonly job: string;
  /** The VPS, as it is connected to. */
  readonly host: string;
  readonly state: State;
  /** Why it is not good, and what to do; both left out when it is. */
  readonly problem?: string;
  readonly remedy?: string;
  /** A run that is under way now. */
  readonly running?: { readonly run: string; readonly started: number };
  readonly lastGood?: LastGoodBackup;
  readonly staleAfterSeconds: number;
  /** The last good backup is older than that; also beside a worse state. */
  readonly stale: boolean;
  /** The last run that has ended. */
  readonly lastRun?: LastRun;
  readonly repositoryBytes?: number;
  /** How much the repository grew each week of the last four; undefined until there is a week to judge by. */
  readonly growthBytesPerWeek?: number;
  readonly openBreaches: readonly Breach[];
  readonly checks: Readonly<Record<CheckKind, CheckStanding>>;
  /** Whether a copy of the key is elsewhere; undefined: the repository has none in it. */
  readonly keyCopy?: "never" | "changed" | "done";
  /** When the key was exported last; undefined: never. */
  readonly keyExported?: number;
  /** What else to look at: not a word of it changes the state. */
  readonly advice: readonly Advice[];
}

/** Decides how a job stands over what home recorded. @param now milliseconds since 1970, by home's clock */
export function standing(job: JobFile, records: JobRecords, now: number): Standing {
  const lastGood = records.lastGood && lastGoodBackup(records.lastGood, now);
  const lastRun = lastEnded(records);
  const checks = checkStandings(job, records, now);
  // Without any good backup: counted from the day on which home first knew of the job.
  const stale = (lastGood?.ageSeconds ?? seconds(records.knownSince, now)) > job.staleAfterSeconds;
  const bytes = records.sizes[0]?.repositoryBytes ?? records.lastGood?.repositoryBytes;
  const growth = growthPerWeek(records.sizes, now);
  const [running] = records.held ? records.runs.filter(({ outcome }) => outcome === undefined) : [];
  return {
    job: job.job,
    host: endpoint(job.pull),
    ...judge({ job, lastGood, lastRun, checks, stale, breaches: records.openBreaches }),
    ...(running ? { running: { run: running.run, started: running.started } } : {}),
    ...(lastGood ? { lastGood } : {}),
    staleAfterSeconds: job.staleAfterSeconds,
    stale,
    ...(lastRun ? { lastRun } : {}),
    ...(bytes === undefined ? {} : { repositoryBytes: bytes }),
    ...(growth === undefined ? {} : { growthBytesPerWeek: growth }),
    openBreaches: records.openBreaches,
    checks,
    ...(records.keyCopy ? { keyCopy: records.keyCopy } : {}),
    ...(records.keyExported === undefined ? {} : { keyExported: records.keyExported }),
    advice: adviceOn(records, { lastGood, checks }),
  };
}

/** Never below 0: clocks differ by moments. */
const seconds = (since: number, now: number): number => Math.max(0, (now - since) / 1000);

function lastGoodBackup(record: RunRecord, now: number): LastGoodBackup {
  const { run, archive, figures, started, finished = started } = record;
  return {
    run,
    ...(archive ? { archive } : {}),
    ...(figures ? { figures } : {}),
    started,
    finished,
    ageSeconds: seconds(finished, now),
  };
}

/** The youngest run that has ended: one that is open, with nobody holding the job's lock, has died. */
function lastEnded({ runs, held }: JobRecords): LastRun | undefined {
  const record = runs.find(({ outcome }) => outcome !== undefined || !held);
  if (!record) return undefined;
  const { run, started, finished = started, outcome = "abandoned", failure, warnings, failedDumps } = record;
  return {
    ...{ run, started, finished, outcome, warnings },
    ...(failure ? { failure } : {}),
    ...(failedDumps ? { failedDumps } : {}),
  };
}

function checkStandings({ care = {} }: JobFile, { checks, knownSince }: JobRecords, now: number) {
  const every: Readonly<Record<CheckKind, number | undefined>> = {
    repository: care.checkRepository,
    archives: care.checkArchives,
    data: care.checkData,
    proof: care.proof,
  };
  const entries = checkKinds.map((kind) => {
    const [last, period] = [checks[kind], every[kind]];
    const overdue = period !== undefined && seconds(last?.finished ?? knownSince, now) > 1.5 * period;
    const standing: CheckStanding = {
      ...(last ? { last } : {}),
      ...(period === undefined ? {} : { everySeconds: period }),
      overdue,
    };
    return [kind, standing] as const;
  });
  return Object.fromEntries(entries) as Record<CheckKind, CheckStanding>;
}
