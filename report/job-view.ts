import { describeAge } from "../pull/due.ts";
import { type Breach, checkKinds } from "../pull/ledger.ts";
import { clean } from "../pull/lines.ts";
import { bytes, count } from "../pull/quantities.ts";
import { describeFound } from "../pull/rollback/preview.ts";
import {
  type CheckStanding,
  checkNames,
  keyText,
  type NextRun,
  type Standing,
  type State,
} from "../pull/status.ts";
import { localTime } from "../pull/time.ts";
import type { JobFile } from "../schema/job-file.ts";
import type { Badge, JobView } from "../templates/report.ts";
import { calendar } from "./calendar.ts";
import { chartsOf, duration } from "./charts.ts";
import type { History } from "./history.ts";
import { troublesOf } from "./troubles.ts";

export const words: Readonly<Record<State, string>> = {
  good: "good",
  warning: "warnings",
  failed: "failed",
  tampered: "tampered with",
  stale: "stale",
  never: "no backup yet",
};

export const badgeOf = (state: State): Badge => ({ look: state, word: words[state] });

export interface JobFacts {
  readonly job: JobFile;
  readonly standing: Standing;
  readonly next: NextRun;
  readonly history: History;
}

export interface Span {
  readonly since: number;
  readonly now: number;
  readonly weeks: number;
}

/** A job in words and pictures. */
export function jobView({ job, standing, next, history }: JobFacts, { since, now, weeks }: Span): JobView {
  const { lastGood, staleAfterSeconds, repositoryBytes: size, growthBytesPerWeek: growth, checks } = standing;
  return {
    job: standing.job,
    host: standing.host,
    badge: badgeOf(standing.state),
    running: standing.running ? "running now" : "",
    age: lastGood ? `${describeAge(lastGood.ageSeconds)} ago` : "none",
    limit: `stale after ${describeAge(staleAfterSeconds)}`,
    stale: standing.stale,
    size: size === undefined ? "–" : bytes(size),
    growth: growth === undefined ? "–" : `${growth < 0 ? "−" : "+"}${bytes(Math.abs(growth))}`,
    trust: trustOf(standing),
    next: nextText(next, now),
    check: youngest([checks.repository, checks.archives, checks.data], now),
    proof: youngest([checks.proof], now),
    facts: factsOf(job, standing, next, history),
    calendar: calendar(history.runs, now, weeks),
    charts: chartsOf(history.runs, since, now),
    checks: checkKinds.map((kind) => checkView(kind, checks[kind])),
    breaches: history.breaches.slice(0, mostBreaches).map(breachView),
    ...troublesOf(history.runs),
  };
}

const mostBreaches = 10;

function trustOf({ openBreaches, lastGood }: Standing): Badge {
  if (openBreaches.length > 0) return { look: "tampered", word: "tampered with" };
  return lastGood ? { look: "good", word: "no tampering" } : { look: "never", word: "nothing yet" };
}

export function nextText(next: NextRun, now: number): string {
  switch (next.kind) {
    case "at":
      return next.time <= now ? "now" : `in ${describeAge((next.time - now) / 1000)}`;
    case "none":
      return "no schedule";
    case "off":
      return "timer is off!";
    case "unknown":
      return "not known";
  }
}

function youngest(checks: readonly CheckStanding[], now: number): string {
  if (checks.some(({ last }) => last?.outcome === "failed")) return "failed!";
  const time = Math.max(...checks.map(({ last }) => last?.finished ?? 0));
  const late = checks.some(({ overdue }) => overdue) ? ", overdue!" : "";
  return time === 0 ? `none${late}` : `${describeAge(Math.max(0, now - time) / 1000)} ago${late}`;
}

function factsOf(
  { repository }: JobFile,
  standing: Standing,
  next: NextRun,
  { archives }: History,
): JobView["facts"] {
  const { lastGood, lastRun } = standing;
  const figures = lastGood?.figures;
  const there = archives.filter(({ gone }) => !gone);
  const trusts = [...Map.groupBy(there, ({ trust }) => trust)].map(
    ([trust, each]) => `${count(each.length)} ${trust.replace("-", " ")}`,
  );
  return [
    { name: "Last good backup", text: lastGood ? localTime(lastGood.finished) : "none" },
    ...(lastGood?.archive ? [{ name: "Its archive", text: clean(lastGood.archive.name, 200) }] : []),
    ...(figures
      ? [
          {
            name: "Its figures",
            text: `${count(figures.files)} files, ${bytes(figures.originalBytes)} read, ${bytes(figures.newBytes)} new, ${duration(figures.seconds)}`,
          },
        ]
      : []),
    { name: "Last run", text: lastRun ? `${localTime(lastRun.started)}, ${lastRun.outcome}` : "none" },
    ...(next.kind === "at" ? [{ name: "Next run", text: localTime(next.time) }] : []),
    { name: "Repository", text: repository },
    { name: "Archives", text: trusts.join(", ") || "none" },
    { name: "Key copied elsewhere", text: keyText(standing) },
  ];
}

function checkView(kind: (typeof checkKinds)[number], { last, everySeconds, overdue }: CheckStanding) {
  const name = checkNames[kind];
  return {
    name: `${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    last: last ? localTime(last.finished).split(" ") : ["–"],
    badge: checkBadge(last?.outcome, overdue, everySeconds !== undefined),
    every: everySeconds === undefined ? "not asked for" : `every ${describeAge(everySeconds)}`,
    text: clean(last?.detail.problem ?? last?.detail.summary ?? "", 300),
  };
}

function checkBadge(outcome: string | undefined, overdue: boolean, wanted: boolean): Badge {
  if (outcome === "failed") return { look: "failed", word: "failed" };
  if (overdue) return { look: "stale", word: "overdue" };
  if (outcome === "good") return { look: "good", word: "good" };
  return { look: "never", word: wanted ? "not yet" : "never" };
}

function breachView(breach: Breach): JobView["breaches"][number] {
  const { resolved } = breach;
  const [found = "", ...findings] = describeFound(breach);
  return {
    found: found.replace(/:$/, ""),
    badge: resolved
      ? {
          look: "good",
          word: `${resolved.by === "rollback" ? "rolled back" : "accepted"} ${localTime(resolved.time)}`,
        }
      : { look: "tampered", word: "waits for a decision" },
    findings: findings.map((text) => clean(text, 300)),
  };
}
