import { UserError } from "../../schema/errors.ts";
import type { ArchiveRecord, Trust } from "../ledger.ts";
import { clean } from "../lines.ts";
import { isAhead, localTime } from "../time.ts";

/** An archive that is there, with the time of its run by home's clock, where home knows of one. */
export interface Candidate extends Pick<ArchiveRecord, "id" | "name" | "run"> {
  /** unseen: it was not there when home last looked. */
  readonly trust: Trust | "unseen";
  readonly started?: number;
  /** Names of the dumps that are not whole in it. */
  readonly failedDumps?: readonly string[];
}

/** What a person asks for. */
export type Wanted =
  | { readonly kind: "latest" }
  /** The newest good one whose run began at or before that, in milliseconds since 1970. */
  | { readonly kind: "until"; readonly time: number }
  | { readonly kind: "named"; readonly text: string };

/**
 * Reads `latest`, a date, a date and time, or what names an archive. Dates are home's local ones; a day alone means its end.
 * @throws UserError for a date that is none
 */
export function parseWanted(text: string | undefined): Wanted {
  if (text === undefined || text === "latest") return { kind: "latest" };
  const parts = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
  if (!parts) return { kind: "named", text };
  const [year, month, day, hour, minute, second] = parts
    .slice(1)
    .map((part) => (part === undefined ? undefined : Number(part)));
  const [y, m, d] = [year as number, (month as number) - 1, day as number];
  const time =
    hour === undefined
      ? new Date(y, m, d, 23, 59, 59, 999)
      : new Date(y, m, d, hour, minute, second ?? 59, second === undefined ? 999 : 0);
  if (time.getMonth() !== m || time.getDate() !== d || (hour ?? 0) > 23 || (minute ?? 0) > 59) {
    throw new UserError(`There is no ${text}.`, "Give a date such as 2026-11-22 or 2026-11-22T14:00.");
  }
  return { kind: "until", time: time.getTime() };
}

/**
 * Chooses among the archives that are there. Without a name only good ones count.
 * @throws UserError when there is none, or more than one of that name
 */
export function choose(
  job: string,
  candidates: readonly Candidate[],
  wanted: Wanted,
  now: number = Date.now(),
): Candidate {
  if (wanted.kind === "named") return named(job, candidates, wanted.text);
  const trusted = candidates.filter(({ trust }) => trust === "good");
  // Made while a clock was wrong: nobody's newest, unless there is no other.
  const come = trusted.filter(({ started }) => started === undefined || !isAhead(started, now));
  const good = come.length > 0 ? come : trusted;
  const latest = wanted.kind === "latest" ? Number.POSITIVE_INFINITY : wanted.time;
  const fitting = good.filter(({ started }) => started !== undefined && started <= latest);
  const newest = fitting.toSorted((a, b) => (b.started as number) - (a.started as number))[0];
  if (newest) return newest;
  const some = candidates.length > 0 ? `${candidates.length} of another kind` : "no other";
  if (wanted.kind === "until" && good.length > 0) {
    const first = Math.min(...good.flatMap(({ started }) => started ?? []));
    const oldest = Number.isFinite(first) ? `The oldest one is of ${localTime(first)}. ` : "";
    const older = candidates.filter(({ trust }) => trust === "before-us").length;
    throw new UserError(
      `No good archive of ${job} is known to be as old as that.`,
      older > 0
        ? `${oldest}${older} more are from before home's records, and have no date of home's: give the name of one; "borgpull list ${job}" shows them.`
        : `${oldest}Run: borgpull list ${job}`,
    );
  }
  const example = candidates.at(-1);
  throw new UserError(
    `No good archive of ${job} is known (${some}).`,
    example
      ? `Give the name of one: the last is ${clean(example.name, 120)}.`
      : `Run "borgpull run ${job}" for a first one.`,
  );
}

/** A whole name, or the beginning of a name, a run or an id that only one archive has. */
function named(job: string, candidates: readonly Candidate[], text: string): Candidate {
  const exact = candidates.find(({ name, id }) => name === text || id === text);
  if (exact) return exact;
  const fits = candidates.filter(
    ({ name, id, run }) =>
      name.startsWith(text) || run?.startsWith(text) || (text.length >= 4 && id.startsWith(text)),
  );
  const [one, ...others] = text === "" ? [] : fits;
  if (one && others.length === 0) return one;
  const problem = one
    ? `${others.length + 1} archives of ${job} begin with "${clean(text, 80)}".`
    : `${job} has no archive "${clean(text, 80)}".`;
  throw new UserError(problem, `"borgpull list ${job}" shows them.`);
}

/** Why an archive is not to be relied on, a sentence; undefined for one that is, and for those that were there before home kept records. */
export function distrust({ name, trust }: Pick<Candidate, "name" | "trust">): string | undefined {
  const archive = clean(name, 100);
  switch (trust) {
    case "good":
    case "before-us":
    case "attended":
      return undefined;
    case "foreign":
      return `${archive} was made by no run of ours: somebody else put it into the repository.`;
    case "unseen":
      return `${archive} was not there when home last looked at the repository.`;
    case "unconfirmed":
      return `${archive} is of a run of ours, but home could not confirm that it is whole and untouched.`;
    case "partial":
      return `${archive} is what an interrupted run left: not all files are in it.`;
  }
}
