import type { Breach } from "../ledger.ts";
import { clean } from "../lines.ts";
import { localTime } from "../time.ts";
import type { Finding } from "./finding.ts";

/** One finding in a few words, fit for a terminal: names in it may be a hostile VPS's. */
export function describeFinding(finding: Finding): string {
  switch (finding.kind) {
    case "archive-vanished":
      return `archive ${clean(finding.name, 100)} has vanished`;
    case "archive-appeared":
      return `archive ${clean(finding.name, 100)} has appeared, which no run of ours made`;
    case "more":
      return `${finding.count} more archive(s) ${finding.of === "archive-vanished" ? "have vanished" : "have appeared"}`;
    case "objects-deleted":
      return `${finding.count} object(s) of older archives deleted`;
    case "objects-overwritten":
      return `${finding.count} object(s) of older archives overwritten`;
    case "manifest-deleted":
      return "the list of archives deleted";
    case "config-changed":
      return "the repository's config or key changed";
    case "log-damaged":
      return `the repository's log is not as borg writes it: ${clean(finding.problem, 200)}`;
    case "unreadable":
      return `the list of archives cannot be read: ${clean(finding.problem, 200)}`;
    case "forbidden-request":
      return `asked borg for what no backup asks for (${clean(finding.method, 40)}: ${clean(finding.reason, 200)}); it was refused`;
  }
}

/** At most so many are written out; a VPS may have done any number of things. */
const shown = 5;

/** Such as "3 object(s) of older archives deleted; archive web1-... has vanished; and 4 more". */
export function describeFindings(findings: readonly Finding[]): string {
  const texts = findings.slice(0, shown).map(describeFinding);
  const more = findings.length - shown;
  return [...texts, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

/** One sentence of what and when. */
export function describeBreach({ job, found, findings, runs }: Breach): string {
  const during = runs.length > 0 ? `during run ${runs.join(", ")}` : "while no run of ours was recorded";
  return `The repository of ${job} was tampered with (found ${localTime(found)}, ${during}): ${describeFindings(findings)}.`;
}

/** What a person has to decide. */
export const breachRemedy = (job: string): string =>
  `Pulls go on; nothing is pruned or compacted until you have looked at it: run "borgpull rollback ${job}" to go back to before it, or "borgpull accept ${job}" if it was you.`;
