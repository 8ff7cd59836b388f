/** Which archives go: borg prune's rules over home's own records and home's own clock, never over what an archive says of its time. */
import type { JobFile } from "../../schema/job-file.ts";
import type { ArchiveRecord } from "../ledger.ts";
import { isAhead } from "../time.ts";

export type Keep = NonNullable<JobFile["keep"]>;
type Rule = keyof Keep;

/** An archive that is there, and when its run began: milliseconds since 1970 by home's clock, undefined when no run of ours made it. */
export type Candidate = Pick<ArchiveRecord, "id" | "name" | "trust"> & {
  readonly started?: number | undefined;
  /** Names of the dumps that are not whole in it. */
  readonly failedDumps?: readonly string[] | undefined;
};

export interface Decision<Archive extends Candidate = Candidate> {
  readonly archive: Archive;
  readonly stays: boolean;
  /** The rule that keeps it, as borg prune names it ("daily #3"), or a few words. */
  readonly why: string;
}

/**
 * Decides for each archive of a repository whether it stays. The rules are borg 1.2's and 1.4's (helpers/misc.py, prune_split): of
 * each period in home's local time the newest archive stays, from the shortest period to the longest, and an archive that a rule has
 * kept counts for no other. Only good archives are counted, and only they go, besides what an interrupted run left once a newer
 * archive is good. Where dumps have failed an older archive of the period that has all of them goes before. The newest good one always
 * stays, and so does the newest that has all of its dumps; without a rule all do. One that is yet to come by its time was made while a
 * clock was wrong: it stays, and takes no other's place.
 * @param now milliseconds since 1970
 * @returns the newest first, then those without a time
 */
export function retention<Archive extends Candidate>(
  archives: readonly Archive[],
  keep: Keep | undefined = {},
  now = Number.POSITIVE_INFINITY,
): readonly Decision<Archive>[] {
  const sorted = archives.toSorted(newestFirst);
  const good = sorted.flatMap(({ id, trust, started, failedDumps = [] }) =>
    trust === "good" && started !== undefined && !isAhead(started, now)
      ? [{ id, started, whole: failedDumps.length === 0 }]
      : [],
  );
  const limited = removesAny(keep);
  const kept = new Map<string, string>();
  for (const rule of rules) keepBy(rule, keep[rule] ?? 0, good, kept);
  const [newest, whole] = [good[0], good.find((archive) => archive.whole)];
  if (whole && !kept.has(whole.id)) kept.set(whole.id, "the newest with all dumps");
  if (newest && !kept.has(newest.id)) kept.set(newest.id, "the newest");
  return sorted.map((archive) => {
    const { id, trust, started } = archive;
    const stays = (why: string) => ({ archive, stays: true, why });
    const goes = (why: string) => ({ archive, stays: false, why });
    switch (trust) {
      case "good":
        if (!limited) return stays("no rule is set");
        if (started === undefined) return stays("its run is not on record");
        if (isAhead(started, now)) return stays("its time is yet to come");
        return kept.has(id) ? stays(kept.get(id) as string) : goes("no rule keeps it");
      case "partial":
        return started !== undefined && newest && started < newest.started && limited
          ? goes("left by an interrupted run, and a newer one is good")
          : stays("left by an interrupted run");
      default:
        return stays(untouched[trust]);
    }
  });
}

/** Whether there is a rule at all: without one nothing is ever removed. */
export const removesAny = (keep: Keep | undefined): boolean => rules.some((rule) => keep?.[rule]);

/** Never removed, whatever their number: a person decides on these. */
const untouched = {
  unconfirmed: "unconfirmed",
  "before-us": "from before borgpull",
  attended: "made by hand",
  foreign: "no run of ours made it",
} as const;

/** In borg's order, the shortest period first. */
const rules = ["hourly", "daily", "weekly", "monthly", "yearly"] as const satisfies readonly Rule[];

/** Two archives of one period have the same value. */
const periodOf: Readonly<Record<Rule, (time: Date) => string>> = {
  hourly: (time) => `${time.toDateString()} ${time.getHours()}`,
  daily: (time) => time.toDateString(),
  // From Monday to Sunday as in ISO 8601; day 0 was a Thursday.
  weekly: (time) => String(Math.floor((dayOf(time) + 3) / 7)),
  monthly: (time) => `${time.getFullYear()}-${time.getMonth()}`,
  yearly: (time) => String(time.getFullYear()),
};

const dayOf = (time: Date): number =>
  Date.UTC(time.getFullYear(), time.getMonth(), time.getDate()) / (24 * 3600 * 1000);

interface Good {
  readonly id: string;
  readonly started: number;
  /** With all of its dumps. */
  readonly whole: boolean;
}

/** @param good the newest first */
function keepBy(rule: Rule, count: number, good: readonly Good[], kept: Map<string, string>): void {
  if (count === 0) return;
  let used = 0;
  for (const { id } of onePerPeriod(rule, good)) {
    if (kept.has(id)) continue;
    kept.set(id, `${rule} #${++used}`);
    if (used === count) return;
  }
  // Fewer periods than asked for: the oldest stays until there are enough.
  const oldest = good.at(-1);
  if (oldest && !kept.has(oldest.id)) kept.set(oldest.id, `${rule}[oldest] #${used + 1}`);
}

/** The newest of each period, of those with all of their dumps where there is one. */
function onePerPeriod(rule: Rule, good: readonly Good[]): readonly Good[] {
  const best = new Map<string, Good>();
  for (const archive of good) {
    const period = periodOf[rule](new Date(archive.started));
    const before = best.get(period);
    if (!before || (archive.whole && !before.whole)) best.set(period, archive);
  }
  return [...best.values()];
}

function newestFirst(a: Candidate, b: Candidate): number {
  const never = Number.NEGATIVE_INFINITY;
  const [one, other] = [a.started ?? never, b.started ?? never];
  if (one !== other) return one < other ? 1 : -1;
  return a.name < b.name ? 1 : -1;
}
