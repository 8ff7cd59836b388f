import type { Ledger } from "../pull/ledger.ts";
import { adviceForAll, type FleetMember, type NextRun } from "../pull/status.ts";
import { report } from "../templates/report.ts";
import { firstDay } from "./calendar.ts";
import { historyOf } from "./history.ts";
import type { JobFacts } from "./job-view.ts";
import { reportView } from "./view.ts";

/** What a report is made of. */
export interface ReportSources {
  /** The machine at home. */
  readonly home: string;
  readonly members: readonly FleetMember[];
  readonly next: ReadonlyMap<string, NextRun>;
  /** undefined: there is no state.db yet */
  readonly ledger: Ledger | undefined;
  /** Milliseconds since 1970, by home's clock. */
  readonly now: number;
}

/** Half a year: what a phone still shows as days. */
const weeks = 26;

/** One self-contained HTML page of how all jobs stand and stood: no script, nothing from elsewhere, every text escaped. */
export function reportHtml({ home, members, next, ledger, now }: ReportSources): string {
  const span = { since: firstDay(now, weeks), now, weeks };
  const jobs = members.flatMap((member): JobFacts[] => {
    if (member.kind === "unreadable") return [];
    const { job, standing } = member;
    const history = historyOf(job, ledger, span.since);
    return [{ job, standing, next: next.get(job.job) ?? { kind: "unknown" }, history }];
  });
  const unreadable = members.filter((member) => member.kind === "unreadable");
  return report(reportView({ home, jobs, unreadable, advice: adviceForAll(members, next), span }));
}
