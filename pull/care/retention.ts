/** Which archives go: borg prune's rules over home's own records and home's own clock, never over what an archive says of its time. */
import type { JobFile } from "../../schema/job-file.ts";
import type { ArchiveRecord } from "../ledger.ts";

export type Keep = NonNullable<JobFile["keep"]>;
type Rule = keyof Keep;

/** An archive that is there, and when its run began: milliseconds since 1970 by home's clock, undefined when no run of ours made it. */
export type Candidate = Pick<ArchiveRecord, "id" | "name" | "trust"> & {
  readonly started?: number | undefined;
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
 * archive is good. The newest good one always stays; without a rule all do.
 * @returns the newest first, then those without a time
 */
export function retention<Archive extends Candidate>(
  archives: readonly Archive[],
  keep: Keep | undefined = {},
): readonly Decision<Archive>[] {
  const sorted = archives.toSorted(newestFirst);
  const good = sorted.flatMap(({ id, trust, started }) =>
    trust === "good" && started !== undefined ? [{ id, started }] : [],
  );
  const limited = removesAny(keep);
  const kept = new Map<string, string>();
  for (const rule of rules) keepBy(rule, keep[rule] ?? 0, good, kept);
  const newest = good[0]?.started ?? Number.NEGATIVE_INFINITY;
  return sorted.map((archive) => {
    const { id, trust, started } = archive;
    const stays = (why: string) => ({ archive, stays: true, why });
    const goes = (why: string) => ({ archive, stays: false, why });
    switch (trust) {
      case "good":
        if (!limited) return stays("no rule is set");
        if (started === undefined) return stays("its run is not on record");
        return kept.has(id) ? stays(kept.get(id) as string) : goes("no rule keeps it");
      case "partial":
        return started !== undefined && started < newest && limited
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

/** @param good the newest first */
function keepBy(
  rule: Rule,
  count: number,
  good: readonly { readonly id: string; readonly started: number }[],
  kept: Map<string, string>,
): void {
  if (count === 0) return;
  let used = 0;
  let last: string | undefined;
  for (const { id, started } of good) {
    const period = periodOf[rule](new Date(started));
    if (period === last) continue;
    last = period;
    if (kept.has(id)) continue;
    kept.set(id, `${rule} #${++used}`);
    if (used === count) return;
  }
  // Fewer periods than asked for: the oldest stays until there are enough.
  const oldest = good.at(-1);
  if (oldest && !kept.has(oldest.id)) kept.set(oldest.id, `${rule}[oldest] #${used + 1}`);
}

function newestFirst(a: Candidate, b: Candidate): number {
  const never = Number.NEGATIVE_INFINITY;
  const [one, other] = [a.started ?? never, b.started ?? never];
  if (one !== other) return one < other ? 1 : -1;
  return a.name < b.name ? 1 : -1;
}
