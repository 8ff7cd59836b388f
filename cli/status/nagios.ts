import { clean } from "../../pull/lines.ts";
import type { FleetMember, State } from "../../pull/status.ts";
import type { Status } from "./read.ts";

/** What a Nagios plugin answers. */
export interface Verdict {
  readonly line: string;
  readonly code: number;
}

const names = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;
type Code = 0 | 1 | 2 | 3;

/** A job that waits for its first run is no alarm yet: it becomes stale when none comes. */
const codes: Readonly<Record<State, Code>> = {
  good: 0,
  warning: 1,
  never: 1,
  failed: 2,
  stale: 2,
  tampered: 2,
};

/** NRPE's old packets are 1 kB. */
const longestText = 300;

/**
 * One line and an exit code by the Nagios plugin guidelines (nagios-plugins.org/doc/guidelines.html, "Plugin Output" and "Plugin
 * Return Codes"): text, "|", then performance data 'label'=value[unit];[warn];[crit];[min].
 */
export function nagiosVerdict({ members }: Status): Verdict {
  if (members.length === 0) return nagiosUnknown("no job is declared on this machine");
  const judged = members.map((member) => ({ member, code: codeOf(member) }));
  const code = ([2, 3, 1] as const).find((each) => judged.some((one) => one.code === each)) ?? 0;
  const bad = judged.filter((one) => one.code !== 0).toSorted((a, b) => rank(a.code) - rank(b.code));
  const good = members.length - bad.length;
  const text = [
    `${good} of ${members.length} ${members.length === 1 ? "job is" : "jobs are"} good`,
    ...bad.map(({ member }) => textOf(member)),
  ].join("; ");
  return { line: `${head(code, text)} | ${members.flatMap(figures).join(" ")}`.trimEnd(), code };
}

export const nagiosUnknown = (text: string): Verdict => ({ line: head(3, text), code: 3 });

/** "|" ends the text. */
const head = (code: Code, text: string): string =>
  `BORGPULL ${names[code]} - ${clean(text.replaceAll("|", "/"), longestText)}`;

const rank = (code: Code): number => [2, 3, 1, 0].indexOf(code);

const codeOf = (member: FleetMember): Code =>
  member.kind === "unreadable" ? 3 : codes[member.standing.state];

function textOf(member: FleetMember): string {
  if (member.kind === "unreadable") return `${member.name} unreadable: ${member.problem}`;
  const { job, state, problem } = member.standing;
  return `${job} ${state}: ${problem?.replace(/\.$/, "")}`;
}

function figures(member: FleetMember): readonly string[] {
  if (member.kind === "unreadable") return [];
  const { job, lastGood, staleAfterSeconds, repositoryBytes } = member.standing;
  return [
    ...(lastGood ? [`'${job}_age'=${Math.round(lastGood.ageSeconds)}s;;${staleAfterSeconds};0`] : []),
    ...(repositoryBytes === undefined ? [] : [`'${job}_size'=${repositoryBytes}B;;;0`]),
  ];
}
