import { styleText } from "node:util";
import { describeAge } from "../../pull/due.ts";
import { wrap } from "../../pull/lines.ts";
import { bytes } from "../../pull/quantities.ts";
import {
  adviceForAll,
  type FleetMember,
  type NextRun,
  type Standing,
  type State,
  states,
} from "../../pull/status.ts";
import type { Status } from "./read.ts";

type Style = Parameters<typeof styleText>[0];

interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** In a narrow terminal the highest goes first; without it the column always stays. */
  readonly dispensable?: number;
  readonly cell: (standing: Standing, next: NextRun, now: number) => string;
}

const columns: readonly Column[] = [
  { title: "job", cell: ({ job }) => job },
  { title: "state", cell: ({ state }) => state },
  { title: "age / limit", right: true, cell: age },
  {
    title: "size",
    right: true,
    dispensable: 1,
    cell: ({ repositoryBytes: size }) => (size === undefined ? "-" : bytes(size)),
  },
  { title: "per week", right: true, dispensable: 4, cell: growth },
  {
    title: "next",
    right: true,
    dispensable: 2,
    cell: ({ running }, next, now) => (running ? "running" : until(next, now)),
  },
  { title: "check", right: true, dispensable: 3, cell: checked },
  {
    title: "proof",
    right: true,
    dispensable: 3,
    cell: ({ checks: { proof } }, _, now) => since([proof], now),
  },
];

export const looks: Readonly<Record<State, Style>> = {
  tampered: ["bold", "red"],
  failed: "red",
  stale: "red",
  never: "yellow",
  warning: "yellow",
  good: "green",
};

/**
 * A line a job, and below them what to do.
 * @param width of the terminal, in characters; columns are left out where they do not fit
 */
export function statusTable(
  { members, next, now }: Status,
  width = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): string {
  const rows = members.map((member) => cells(member, next, now));
  const shown = fitting(rows, width);
  const widths = shown.map((column) => widest(column, rows));
  const line = (row: readonly string[]) =>
    shown
      .map((column, index) => {
        const text = row[columns.indexOf(column)] ?? "";
        return column.right ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0);
      })
      .join("  ")
      .trimEnd();
  return [
    style("dim", line(columns.map(({ title }) => title))),
    ...members.map((member, index) => coloured(line(rows[index] ?? []), member)),
    ...todo({ members, next }, Math.min(width, 100)),
  ].join("\n");
}

function cells(member: FleetMember, next: Status["next"], now: number): readonly string[] {
  if (member.kind === "unreadable") return [member.name, "unreadable", ...columns.slice(2).map(() => "-")];
  const { standing } = member;
  return columns.map(({ cell }) => cell(standing, next.get(standing.job) ?? { kind: "unknown" }, now));
}

const widest = (column: Column, rows: readonly (readonly string[])[]): number =>
  Math.max(column.title.length, ...rows.map((row) => row[columns.indexOf(column)]?.length ?? 0));

/** The columns that there is room for, in their order. */
function fitting(rows: readonly (readonly string[])[], width: number): readonly Column[] {
  const size = (shown: readonly Column[]) =>
    shown.reduce((sum, column) => sum + widest(column, rows) + 2, -2);
  const most = Math.max(...columns.map(({ dispensable = 0 }) => dispensable));
  let shown = columns;
  for (let rank = most; rank > 0 && size(shown) > width; rank--) {
    shown = shown.filter(({ dispensable = 0 }) => dispensable < rank);
  }
  return shown;
}

function age({ lastGood, stale, staleAfterSeconds }: Standing): string {
  const limit = describeAge(staleAfterSeconds);
  return `${lastGood ? describeAge(lastGood.ageSeconds) : "none"} / ${limit}${stale ? "!" : " "}`;
}

function growth({ growthBytesPerWeek: growth }: Standing): string {
  if (growth === undefined) return "-";
  return `${growth < 0 ? "-" : "+"}${bytes(Math.abs(growth))}`;
}

/** Such as "in 15 h". */
export function until(next: NextRun, now: number): string {
  switch (next.kind) {
    case "at":
      return next.time <= now ? "now" : `in ${describeAge((next.time - now) / 1000)}`;
    case "off":
      return "off!";
    case "none":
      return "-";
    case "unknown":
      return "?";
  }
}

type Checks = Standing["checks"];

/** The youngest of the three checks of borg's; a failed or late one goes before. */
function checked({ checks: { repository, archives, data } }: Standing, _: NextRun, now: number): string {
  return since([repository, archives, data], now);
}

function since(checks: readonly Checks[keyof Checks][], now: number): string {
  if (checks.some(({ last }) => last?.outcome === "failed")) return "failed!";
  const youngest = Math.max(...checks.map(({ last }) => last?.finished ?? 0));
  const late = checks.some(({ overdue }) => overdue) ? "!" : "";
  if (youngest === 0) return `${late ? "none" : "-"}${late}`;
  return `${describeAge(Math.max(0, now - youngest) / 1000)}${late}`;
}

/** What to do for each job that is not good, the worst first; then what else to look at, the jobs of one advice together. */
function todo({ members, next }: Pick<Status, "members" | "next">, width: number): readonly string[] {
  const bad = members
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap((member) => {
      const { name, state, problem, remedy } = badness(member);
      if (problem === undefined) return [];
      const [first = "", ...rest] = wrap(`${name}: ${problem} ${remedy}`, width - 2);
      return [style(state, first), ...rest.map((text) => style(state, `  ${text}`))];
    });
  return [bad, advice({ members, next }, width)].flatMap((lines) => (lines.length > 0 ? ["", ...lines] : []));
}

const rank = (member: FleetMember): number =>
  member.kind === "unreadable" ? -1 : states.indexOf(member.standing.state);

function badness(member: FleetMember) {
  if (member.kind === "unreadable") return { ...member, state: looks.failed };
  const { job, state, problem, remedy } = member.standing;
  return { name: job, state: looks[state], problem, remedy };
}

function advice({ members, next }: Pick<Status, "members" | "next">, width: number): readonly string[] {
  return adviceForAll(members, next).flatMap(({ jobs, problem, remedy }) => {
    const [first = "", ...rest] = wrap(`${jobs.join(", ")}: ${problem} ${remedy}`, width - 2);
    return [first, ...rest.map((text) => `  ${text}`)];
  });
}

const style = (look: Style, text: string): string => styleText(look, text, { stream: process.stdout });

function coloured(line: string, member: FleetMember): string {
  const state = member.kind === "job" ? member.standing.state : "unreadable";
  const look = member.kind === "job" ? looks[member.standing.state] : looks.failed;
  const at = line.indexOf(state, member.kind === "job" ? member.standing.job.length : member.name.length);
  return `${line.slice(0, at)}${style(look, state)}${line.slice(at + state.length)}`;
}
