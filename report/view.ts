import { describeAge } from "../pull/due.ts";
import { clean } from "../pull/lines.ts";
import { bytes } from "../pull/quantities.ts";
import { type CommonAdvice, type FleetMember, states } from "../pull/status.ts";
import { localTime } from "../pull/time.ts";
import type { ReportView } from "../templates/report.ts";
import { badgeOf, type JobFacts, jobView, nextText, type Span } from "./job-view.ts";

/** What is known of the machine at home and its jobs. */
export interface ReportFacts {
  readonly home: string;
  readonly jobs: readonly JobFacts[];
  readonly unreadable: readonly Extract<FleetMember, { kind: "unreadable" }>[];
  readonly advice: readonly CommonAdvice[];
  readonly span: Span;
}

const dayMilliseconds = 86_400_000;

/** Everything that the page says, in words. Texts are cleaned and bounded; the template escapes them. */
export function reportView({ home, jobs, unreadable, advice, span }: ReportFacts): ReportView {
  const bad = jobs
    .filter(({ standing }) => standing.state !== "good")
    .toSorted((a, b) => states.indexOf(a.standing.state) - states.indexOf(b.standing.state));
  const all = jobs.length + unreadable.length;
  const alarms = bad.length + unreadable.length;
  return {
    title: `Backups of ${clean(home, 60)}`,
    written: `As of ${localTime(span.now)}`,
    headline: headlineOf(all, alarms),
    allGood: all > 0 && alarms === 0,
    tiles: jobs.length === 0 ? [] : tilesOf(jobs, span.now),
    todos: bad.map(({ standing: { job, state, problem = "", remedy = "" } }) => ({
      job,
      badge: badgeOf(state),
      problem,
      remedy,
    })),
    advice,
    jobs: jobs.map((facts) => jobView(facts, span)),
    unreadable: unreadable.map(({ name, problem, remedy }) => ({
      job: name,
      problem: clean(problem, 600),
      remedy: clean(remedy, 300),
    })),
    weeks: span.weeks,
  };
}

function headlineOf(all: number, bad: number): string {
  if (all === 0) return "No job is declared on this machine.";
  if (bad === 0) return all === 1 ? "The one job is good." : `All ${all} jobs are good.`;
  return `${bad} of ${all} ${all === 1 ? "job needs" : "jobs need"} a look.`;
}

function tilesOf(jobs: readonly JobFacts[], now: number): ReportView["tiles"] {
  const size = jobs.reduce((sum, { standing }) => sum + (standing.repositoryBytes ?? 0), 0);
  const growth = jobs.reduce((sum, { standing }) => sum + (standing.growthBytesPerWeek ?? 0), 0);
  const oldest = jobs.toSorted((a, b) => ageOf(b) - ageOf(a))[0]?.standing;
  const month = jobs
    .flatMap(({ history }) => history.runs)
    .filter(({ started, outcome }) => outcome !== undefined && started > now - 30 * dayMilliseconds);
  const went = month.filter(({ outcome }) => outcome === "good" || outcome === "warning").length;
  return [
    {
      name: "Oldest last backup",
      value: oldest?.lastGood ? describeAge(oldest.lastGood.ageSeconds) : "none",
      more: oldest ? `of ${oldest.job}` : "",
    },
    nextTile(jobs, now),
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

const ageOf = ({ standing }: JobFacts): number => standing.lastGood?.ageSeconds ?? Number.POSITIVE_INFINITY;

function nextTile(jobs: readonly JobFacts[], now: number): ReportView["tiles"][number] {
  const name = "Next run";
  const timed = jobs.flatMap(({ job: { job }, next }) => (next.kind === "at" ? [{ job, next }] : []));
  const [soonest] = timed.toSorted((a, b) => a.next.time - b.next.time);
  if (soonest) return { name, value: nextText(soonest.next, now), more: `of ${soonest.job}` };
  const unknown = jobs.some(({ next }) => next.kind === "unknown");
  return { name, value: unknown ? "not known" : "none", more: unknown ? "" : "no timer is on" };
}
