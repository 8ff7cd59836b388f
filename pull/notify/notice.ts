import type { JobFile } from "../../schema/job-file.ts";
import type { Tellable } from "../../schema/notify.ts";
import { endpoint } from "../../schema/target.ts";
import { clean } from "../lines.ts";
import type { Standing } from "../status.ts";
import { localTime } from "../time.ts";

/** What is told, on every channel the same: plain text, cleaned and bounded, whoever wrote it. */
export interface Notice {
  readonly job: string;
  /** The VPS, as it is connected to. */
  readonly host: string;
  readonly state: Tellable | "test";
  /** What this channel was told before; left out: nothing yet. */
  readonly before?: string;
  /** ISO 8601, UTC, by home's clock. */
  readonly time: string;
  readonly problem?: string;
  readonly remedy?: string;
  /** The last good archive. */
  readonly archive?: string;
  /** The last run that has ended. */
  readonly run?: string;
}

/** The part of a job's standing that a notice is made of. */
export type Situation = Pick<Standing, "state" | "problem" | "remedy" | "lastGood" | "lastRun" | "stale">;

export interface NoticeFacts {
  readonly job: JobFile;
  readonly state: Notice["state"];
  readonly before: string | undefined;
  readonly situation: Pick<Situation, "problem" | "remedy" | "lastGood" | "lastRun">;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** ntfy makes an attachment of more than 4096 bytes; four bytes a character at most, and room for the rest. */
const longestProblem = 500;
const longestRemedy = 300;

export function noticeOf({ job, state, before, situation, now }: NoticeFacts): Notice {
  const { problem, remedy, lastGood, lastRun } = situation;
  return {
    job: job.job,
    host: clean(endpoint(job.pull), 200),
    state,
    ...(before === undefined ? {} : { before }),
    time: new Date(now).toISOString(),
    ...(problem ? { problem: clean(problem, longestProblem) } : {}),
    ...(remedy ? { remedy: clean(remedy, longestRemedy) } : {}),
    ...(lastGood?.archive ? { archive: clean(lastGood.archive.name, 100) } : {}),
    ...(lastRun ? { run: clean(lastRun.run, 100) } : {}),
  };
}

const words: Readonly<Record<Notice["state"], string>> = {
  failed: "failed",
  tampered: "tampered with",
  stale: "stale",
  "dumps-failed": "made, but not all dumps",
  warning: "made, with warnings",
  recovered: "recovered",
  test: "test",
};

/** One line: "Backup web1: failed". */
export const titleOf = ({ job, state, problem }: Notice): string =>
  `Backup ${job}: ${words[state]}${state === "recovered" && problem ? ", with warnings" : ""}`;

/** Plain text of some lines. */
export function textOf(notice: Notice): string {
  const { host, state, before, time, problem, remedy, archive, run } = notice;
  const was = words[before as Notice["state"]] ?? before;
  return [
    ...(state === "test" ? ["A test: this is how borgpull tells of a backup."] : []),
    ...(state === "recovered" ? [`It was ${was ?? "not good"}, and is no longer.`] : []),
    ...(problem ? [problem] : []),
    ...(remedy ? [remedy] : []),
    "",
    `Host: ${host}`,
    `Time: ${localTime(Date.parse(time))}`,
    ...(run ? [`Last run: ${run}`] : []),
    ...(archive ? [`Last good archive: ${archive}`] : []),
  ].join("\n");
}
