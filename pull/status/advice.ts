import { checkKinds } from "../ledger.ts";
import { localTime } from "../time.ts";
import { checkNames } from "./judge.ts";
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
  readonly now: number;
}

/** More than clocks that are kept in step ever differ by. */
const clockSlack = 3600_000;

export function adviceOn({ keyCopy }: JobRecords, { lastGood, checks, now }: Known): readonly Advice[] {
  const overdue = checkKinds.filter((kind) => checks[kind].overdue);
  return [
    ...(lastGood && lastGood.finished > now + clockSlack
      ? [
          {
            kind: "clock" as const,
            problem: `The last good backup is of ${localTime(lastGood.finished)}, which is yet to come.`,
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
      return "Set the clock of this machine.";
    case "overdue":
      return "The next good run makes up for it: see why there is none, or why it is cut off.";
    case "timer":
      return `Turn it on: "systemctl enable --now borgpull-${job}.timer", or "pulumi up".`;
    case "key":
      return `Keep a copy elsewhere: "borgpull export-key ${job}".`;
  }
}
