import { describeAge } from "../pull/due.ts";
import { clean } from "../pull/lines.ts";
import { bytes } from "../pull/progress.ts";
import { type FleetMember, type NextRun, states } from "../pull/status.ts";
import { localTime } from "../pull/time.ts";
import type { ReportView } from "../templates/report.ts";
import { firstDay } from "./calendar.ts";
import type { History } from "./history.ts";
import { badgeOf, jobView } from "./job-view.ts";

/** What a report is made of. */
export interface ReportData {
  /** The machine at home. */
  readonly home: string;
  readonly members: readonly FleetMember[];
  readonly next: ReadonlyMap<string, NextRun>;
  readonly histories: ReadonlyMap<string, History>;
  /** Milliseconds since 1970, by home's clock. */
  readonly now: number;
}

/** Half a year: what a phone still shows as days. */
export const weeks = 26;
const dayMilliseconds = 86_400_000;

/** Everything that the page says, in words. Texts are cleaned and bounded; the template escapes them. */
export function reportView({ home, members, next, histories, now }: ReportData): ReportView {
  const since = firstDay(now, weeks);
  const jobs = members.flatMap((member) => (member.kind === "job" ? [member] : []));
  const unreadable = members.flatMap((member) => (member.kind === "unreadable" ? [member] : []));
  const bad = jobs
    .filter(({ standing }) => standing.state !== "good")
    .toSorted((a, b) => states.indexOf(a.standing.state) - states.indexOf(b.standing.state));
  return {
    title: `Backups of ${clean(home, 60)}`,
    written: `As of ${localTime(now)}`,
    headline: headlineOf(members.length, bad.length + unreadable.length),
    allGood: members.length > 0 && bad.length + unreadable.length === 0,
    tiles: tilesOf(jobs, histories, now),
    todos: bad.map(({ standing: { job, state, problem = "", remedy = "" } }) => ({
      job,
      badge: badgeOf(state),
      problem,
      remedy,
    })),
    jobs: jobs.map(({ job, standing }) => {
      const history = histories.get(job.job) ?? { runs: [], checks: [], breaches: [], archives: [] };
      const facts = { job, standing, history, next: next.get(job.job) ?? { kind: "unknown" as const } };
      return jobView(facts, { since, now, weeks });
    }),
    unreadable: unreadable.map(({ name, problem, remedy }) => ({
      job: name,
      problem: clean(problem, 600),
      remedy: clean(remedy, 300),
    })),
    weeks,
  };
}

function headlineOf(all: number, bad: number): string {
  if (all === 0) return "No job is declared on this machine.";
  if (bad === 0) return all === 1 ? "The one job is good." : `All ${all} jobs are good.`;
  return `${bad} of ${all} ${all === 1 ? "job needs" : "jobs need"} a look.`;
}

type Jobs = readonly Extract<FleetMember, { kind: "job" }>[];

function tilesOf(jobs: Jobs, histories: ReportData["histories"], now: number): ReportView["tiles"] {
  if (jobs.length === 0) return [];
  const good = jobs.filter(({ standing }) => standing.state === "good").length;
  const size = jobs.reduce((sum, { standing }) => sum + (standing.repositoryBytes ?? 0), 0);
  const growth = jobs.reduce((sum, { standing }) => sum + (standing.growthBytesPerWeek ?? 0), 0);
  const oldest = jobs.toSorted((a, b) => ageOf(b) - ageOf(a))[0]?.standing;
  const month = [...histories.values()]
    .flatMap(({ runs }) => runs)
    .filter(({ started, outcome }) => outcome !== undefined && started > now - 30 * dayMilliseconds);
  const went = month.filter(({ outcome }) => outcome === "good" || outcome === "warning").length;
  return [
    {
      name: "Good jobs",
      value: `${good} of ${jobs.length}`,
      more: "by run, age and trust",
    },
    {
      name: "Oldest last backup",
      value: oldest?.lastGood ? describeAge(oldest.lastGood.ageSeconds) : "none",
      more: oldest ? `of ${oldest.job}` : "",
    },
    {
      name: "Repositories",
      value: bytes(size),
      more: `${growth < 0 ? "−" : "+"}${bytes(Math.abs(growth))} a week`,
    },
    {
      name: "Runs of 30 days",
      value: month.length === 0 ? "none" : `${went} of ${month.length}`,
      more: month.length === 0 ? "" : "made a backup",
    },
  ];
}

const ageOf = ({ standing }: Jobs[number]): number =>
  standing.lastGood?.ageSeconds ?? Number.POSITIVE_INFINITY;
