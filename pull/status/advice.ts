import { checkKinds } from "../ledger.ts";
import { localTime } from "../time.ts";
import type { FleetMember } from "./fleet.ts";
import { checkNames } from "./judge.ts";
import { type NextRun, systemctl } from "./next-run.ts";
import type { JobRecords } from "./records.ts";
import type { LastGoodBackup, Standing } from "./standing.ts";

/** What else a person should look at; it changes no state. */
export interface Advice {
  readonly kind: "clock" | "overdue" | "key" | "timer";
  readonly problem: string;
}

interface Known {
  readonly lastGood: LastGoodBackup | undefined;
  readonly checks: Standing["checks"];
}

export function adviceOn({ ahead, keyCopy }: JobRecords, { lastGood, checks }: Known): readonly Advice[] {
  const overdue = checkKinds.filter((kind) => checks[kind].overdue);
  return [
    ...(ahead
      ? [
          {
            kind: "clock" as const,
            problem: `A run is on record for ${localTime(ahead.started)}, which is yet to come: it does not count until then.`,
          },
        ]
      : []),
    ...(overdue.length > 0
      ? [
          {
            kind: "overdue" as const,
            problem: `Overdue: ${overdue.map((kind) => checkNames[kind]).join(", ")}.`,
          },
        ]
      : []),
    ...(keyCopy === "never" && lastGood
      ? [{ kind: "key" as const, problem: "Key and passphrase are on this machine alone." }]
      : []),
    ...(keyCopy === "changed"
      ? [{ kind: "key" as const, problem: "The key has changed since it was copied elsewhere." }]
      : []),
  ];
}

/** With what systemd alone knows: a standing asks home's records and nobody else. */
export const allAdvice = ({ advice }: Standing, next: NextRun): readonly Advice[] => [
  ...(next.kind === "off" ? [{ kind: "timer", problem: "The timer of its schedule is off." } as const] : []),
  ...advice,
];

/** One advice, and whom it is for. */
export interface CommonAdvice {
  readonly jobs: readonly string[];
  readonly problem: string;
  readonly remedy: string;
}

/** What else to look at, the jobs of one advice together. */
export function adviceForAll(
  members: readonly FleetMember[],
  next: ReadonlyMap<string, NextRun>,
): readonly CommonAdvice[] {
  const all = members.flatMap((member) => {
    if (member.kind === "unreadable") return [];
    const { job } = member.standing;
    return allAdvice(member.standing, next.get(job) ?? { kind: "unknown" }).map((each) => ({ ...each, job }));
  });
  return [...Map.groupBy(all, ({ problem }) => problem)].map(([problem, group]) => {
    const jobs = group.map(({ job }) => job);
    const [{ kind, job }] = group as [(typeof all)[number]];
    return { jobs, problem, remedy: remedyOf(kind, jobs.length > 1 ? "JOB" : job) };
  });
}

/** Whether a copy of the key is elsewhere, in a few words. */
export function keyText({ keyCopy, keyExported }: Pick<Standing, "keyCopy" | "keyExported">): string {
  const exported = keyExported === undefined ? "" : localTime(keyExported);
  switch (keyCopy) {
    case "done":
      return exported;
    case "changed":
      return `${exported}, and the key has changed since`;
    case "never":
      return "never";
    default:
      return "the repository has no key in it";
  }
}

/** What to do about it. @param job a job's name, or what stands for several */
export function remedyOf(kind: Advice["kind"], job: string): string {
  switch (kind) {
    case "clock":
      return "Set the clock of this machine if it is wrong; the next good run counts again.";
    case "overdue":
      return "The next good run makes up for it: see why there is none, or why it is cut off.";
    case "timer":
      return `Turn it on: "${systemctl().join(" ")} enable --now borgpull-${job}.timer", or "pulumi up".`;
    case "key":
      return `Keep both elsewhere, on paper: "borgpull export-key ${job} --with-passphrase --paper".`;
  }
}
