import type { RunRecord } from "../pull/ledger.ts";
import { clean } from "../pull/lines.ts";
import { localTime } from "../pull/time.ts";
import type { Badge, JobView } from "../templates/report.ts";

const most = 8;

interface Trouble {
  readonly outcome: "warning" | "failed" | "tampered" | "abandoned";
  readonly problem: string;
  readonly remedy: string;
  /** When the first and the last of them began. */
  readonly from: number;
  readonly to: number;
  readonly runs: number;
}

/**
 * The runs that were not good, the youngest first; those with the same problem are one.
 * @param runs the oldest first
 */
export function troublesOf(runs: readonly RunRecord[]): Pick<JobView, "troubles" | "more"> {
  const all = runs.flatMap((run) => troubleOf(run) ?? []);
  const groups = Map.groupBy(all, ({ outcome, problem }) => `${outcome} ${problem}`);
  const merged = [...groups.values()].map((same) => {
    const [first, last] = [same[0] as Trouble, same.at(-1) as Trouble];
    return { ...last, from: first.from, runs: same.length };
  });
  const left = merged.length - most;
  return {
    troubles: merged
      .toSorted((a, b) => b.to - a.to)
      .slice(0, most)
      .map(view),
    more: left > 0 ? `And ${left} other problems before these.` : "",
  };
}

function troubleOf({ outcome, failure, warnings, started }: RunRecord): Trouble | undefined {
  if (outcome === undefined || outcome === "good") return undefined;
  const [first = "borg warned.", ...more] = warnings;
  const said =
    outcome === "warning"
      ? { problem: `${first}${more.length > 0 ? ` (and ${more.length} more)` : ""}`, remedy: "" }
      : (failure ?? { problem: withoutFailure[outcome], remedy: "" });
  return {
    outcome,
    problem: clean(said.problem, 400),
    remedy: clean(said.remedy, 400),
    from: started,
    to: started,
    runs: 1,
  };
}

const withoutFailure = {
  failed: "It failed.",
  tampered: "Older backups were tampered with; see above.",
  abandoned: "It came to no end: borgpull was killed, or the machine went down.",
} as const;

const badges: Readonly<Record<Trouble["outcome"], Badge>> = {
  warning: { look: "warning", word: "warnings" },
  failed: { look: "failed", word: "failed" },
  tampered: { look: "tampered", word: "tampered with" },
  abandoned: { look: "failed", word: "no end" },
};

const view = ({ outcome, problem, remedy, from, to, runs }: Trouble): JobView["troubles"][number] => ({
  when: runs === 1 ? localTime(to) : `${localTime(to)}, and ${runs - 1} more since ${localTime(from)}`,
  badge: badges[outcome],
  problem,
  remedy,
});
