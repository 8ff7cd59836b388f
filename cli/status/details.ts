import { styleText } from "node:util";
import { describeAge } from "../../pull/due.ts";
import { checkKinds } from "../../pull/ledger.ts";
import { clean, wrap } from "../../pull/lines.ts";
import { bytes, count } from "../../pull/quantities.ts";
import {
  allAdvice,
  type CheckStanding,
  checkNames,
  type FleetMember,
  keyText,
  type NextRun,
  remedyOf,
  type Standing,
} from "../../pull/status.ts";
import { localTime } from "../../pull/time.ts";
import type { Status } from "./read.ts";
import { looks, until } from "./table.ts";

/** All that is known of each job, a block of lines each. */
export function statusDetails({ members, next, now }: Status): string {
  return members.map((member) => block(member, next, now).join("\n")).join("\n\n");
}

function block(member: FleetMember, next: Status["next"], now: number): readonly string[] {
  if (member.kind === "unreadable") {
    const head = `${member.name}: ${styleText(looks.failed, "unreadable", { stream: process.stdout })}`;
    return [head, ...indented(`${member.problem} ${member.remedy}`)];
  }
  const { standing, job } = member;
  const { state, problem, remedy } = standing;
  const nextRun = next.get(standing.job) ?? { kind: "unknown" };
  return [
    `${standing.job}: ${styleText(looks[state], state, { stream: process.stdout })}`,
    ...(problem ? indented(`${problem} ${remedy}`) : []),
    ...facts(standing, job.repository, nextRun, now).map(([name, text]) => `  ${name.padEnd(17)}  ${text}`),
    ...allAdvice(standing, nextRun).flatMap(({ kind, problem }) =>
      indented(`${problem} ${remedyOf(kind, standing.job)}`),
    ),
  ];
}

const indented = (text: string): readonly string[] => wrap(text, 76).map((line) => `  ${line}`);

function facts(
  standing: Standing,
  repository: string,
  next: NextRun,
  now: number,
): readonly (readonly [string, string])[] {
  const { host, lastGood, lastRun, running, repositoryBytes, growthBytesPerWeek: growth, checks } = standing;
  const figures = lastGood?.figures;
  return [
    ["VPS", host],
    ["last good backup", lastGood ? `${localTime(lastGood.finished)}, ${ageOf(standing)}` : "none"],
    ...(lastGood?.archive ? [["archive", clean(lastGood.archive.name, 100)] as const] : []),
    ...(figures
      ? [
          [
            "its size",
            `${count(figures.files)} files, ${bytes(figures.originalBytes)}, ${bytes(figures.newBytes)} new, in ${describeAge(figures.seconds)}`,
          ] as const,
        ]
      : []),
    ["last run", lastRun ? `${localTime(lastRun.started)}, ${lastRun.outcome}` : "none"],
    ...(lastRun?.outcome === "warning"
      ? lastRun.warnings.slice(0, 5).map((text) => ["", clean(text, 200)] as const)
      : []),
    ...(running ? [["running", `since ${localTime(running.started)}`] as const] : []),
    ["next run", nextText(next, now)],
    ["repository", repository],
    ...(repositoryBytes === undefined
      ? []
      : [
          [
            "its size",
            `${bytes(repositoryBytes)}${growth === undefined ? "" : `, ${growth < 0 ? "-" : "+"}${bytes(Math.abs(growth))} a week`}`,
          ] as const,
        ]),
    [
      "trust",
      standing.openBreaches.length > 0
        ? `tampered with: see "borgpull list ${standing.job}"`
        : "nothing found",
    ],
    ...checkKinds.map((kind) => [nameOf(kind), checkText(checks[kind])] as const),
    ["key exported", keyText(standing)],
  ];
}

const nameOf = (kind: (typeof checkKinds)[number]): string =>
  kind === "proof" ? checkNames.proof : `check: ${kind}`;

const ageOf = ({ lastGood, staleAfterSeconds, stale }: Standing): string =>
  `${describeAge(lastGood?.ageSeconds ?? 0)} old, stale after ${describeAge(staleAfterSeconds)}${stale ? ": stale" : ""}`;

function nextText(next: NextRun, now: number): string {
  switch (next.kind) {
    case "at":
      return `${localTime(next.time)}, ${until(next, now)}`;
    case "none":
      return "no schedule";
    case "off":
      return "none: its timer is off";
    case "unknown":
      return "not known: systemd does not say";
  }
}

export function checkText({ last, everySeconds, overdue }: CheckStanding): string {
  const every = everySeconds === undefined ? "" : `, every ${describeAge(everySeconds)}`;
  const late = overdue ? ", overdue" : "";
  if (!last) return everySeconds === undefined ? "never, and not asked for" : `never yet${every}${late}`;
  const what = last.detail.problem ?? last.detail.summary;
  return `${localTime(last.finished)}, ${last.outcome}${what ? ` (${clean(what, 200)})` : ""}${every}${late}`;
}
