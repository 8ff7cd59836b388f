/** The bench's figures as Markdown, and the file that holds them all. */
import * as fs from "node:fs";
import { type Interval, intervalOf, spreadOf } from "../statistics.ts";
import type { Cost } from "./measure.ts";
import type { Sessions } from "./sessions.ts";

export interface Measured {
  readonly name: string;
  readonly what: string;
  readonly sessions: Sessions;
  /** By round. */
  readonly costs: readonly Cost[];
}

export interface Case {
  readonly kind: "preview" | "apply";
  readonly hosts: number;
  readonly roundTripMilliseconds: number;
  readonly resources: number;
  readonly measured: readonly Measured[];
}

const heading = [
  "| hosts | round trip | | median s (least-most) | CPU of the tool | CPU of the hosts | connections a host | execs a host |",
  "|---|---|---|---|---|---|---|---|",
];

export function table({ hosts, roundTripMilliseconds, measured }: Case): string {
  const rows = measured.map(({ name, what, sessions, costs }) => {
    const { median, least, most } = spreadOf(costs.map(({ wallSeconds }) => wallSeconds));
    const cpu = (of: "toolCpuSeconds" | "hostCpuSeconds") =>
      `${spreadOf(costs.map((cost) => cost[of])).median.toFixed(2)} s`;
    const cells = [
      hosts,
      `${roundTripMilliseconds} ms`,
      `${name}: ${what}`,
      `${median.toFixed(2)} (${least.toFixed(2)}-${most.toFixed(2)})`,
      cpu("toolCpuSeconds"),
      cpu("hostCpuSeconds"),
      figure(sessions.connections),
      figure(sessions.execs),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [...heading, ...rows].join("\n");
}

const figure = (value: number): string => String(Number(value.toFixed(1)));

/** Each round's ratio to what it is to be; the target is met when the interval of its median reaches 1. */
export interface Ratio extends Interval {
  readonly title: string;
  readonly rounds: readonly number[];
}

type Of = (name: string) => number | undefined;

/**
 * @param figure what of a run is compared
 * @param sides the two of a round's ratio; undefined when a contender of it was left out
 */
function ratio(
  title: string,
  { measured }: Case,
  figure: (cost: Cost) => number,
  sides: (of: Of) => readonly [number, number] | undefined,
): Ratio[] {
  const [first] = measured;
  const rounds = (first?.costs ?? []).flatMap((_, round) => {
    const pair = sides((name) => {
      const cost = measured.find((one) => one.name === name)?.costs[round];
      return cost && figure(cost);
    });
    return pair ? [pair[0] / pair[1]] : [];
  });
  if (rounds.length === 0) return [];
  return [{ title, rounds, ...intervalOf(rounds) }];
}

export function ratioLine({ title, rounds, median, low, high, confidence }: Ratio): string {
  const { least, most } = spreadOf(rounds);
  const figures = `${median.toFixed(2)}, ${Math.round(confidence * 100)} % of ${low.toFixed(2)}-${high.toFixed(2)}, rounds ${least.toFixed(2)}-${most.toFixed(2)}`;
  const verdict = high <= 1 ? "met" : low <= 1 ? "met, as the interval reaches it" : "missed";
  return `* ${title}: ${figures}`.concat(title.startsWith("target") ? `: **${verdict}**` : "");
}

const wall = ({ wallSeconds }: Cost) => wallSeconds;
/** Hardly touched by what else the machine does: the hosts' and the tool's together, as they share its processors. */
const cpu = ({ toolCpuSeconds, hostCpuSeconds }: Cost) => toolCpuSeconds + hostCpuSeconds;

/** preview against an empty stack's preview and twice the floor; then the rivals. */
export function ratios(of: Case): readonly Ratio[] {
  const against = (empty: string, title: string, figure: typeof wall) =>
    ratio(`${title}: preview / (${empty} + 2 x ssh2)`, of, figure, (side) => {
      const [ours, none, floor] = [side("borgpull"), side(empty), side("ssh2")];
      return ours && none && floor ? [ours, none + 2 * floor] : undefined;
    });
  const plainly = (name: string, factor = 1, title = `borgpull / ${name}`) =>
    ratio(title, of, wall, (side) => {
      const [ours, theirs] = [side("borgpull"), side(name)];
      return ours && theirs ? [ours, theirs * factor] : undefined;
    });
  if (of.kind === "apply")
    return [...plainly("pyinfra", 0.5, "target: first apply / half of pyinfra's"), ...plainly("ansible")];
  return [
    ...["empty", "plain"].flatMap((empty) => [
      ...against(empty, "target", wall),
      ...against(empty, "the same in CPU seconds", cpu),
    ]),
    ...plainly("pyinfra"),
    ...plainly("ansible"),
  ];
}

export function writeJson(file: string | undefined, about: object, cases: readonly Case[]): void {
  if (file === undefined) return;
  const results = cases.map((of) => ({ ...of, ratios: ratios(of) }));
  fs.writeFileSync(file, `${JSON.stringify({ ...about, cases: results }, null, 2)}\n`);
}
