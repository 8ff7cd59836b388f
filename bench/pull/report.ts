/** What was measured, as tables for docs/performance.md. */

import { type Interval, intervalOf, medianOf, spreadOf } from "../statistics.ts";
import type { Sample } from "./sample.ts";

export type Kind = "first" | "unchanged";

/** One pull of one contender. */
export interface Row extends Sample {
  readonly latency: number;
  readonly round: number;
  readonly contender: string;
  readonly kind: Kind;
}

const ours = "borgpull";

/** The time of the pull itself: what care was due after it has a column of its own. */
export const pullSeconds = ({ seconds, careSeconds = 0 }: Row): number => seconds - careSeconds;

export function figures(rows: readonly Row[], kind: Kind, latency: number): string {
  const of = rows.filter((row) => row.kind === kind && row.latency === latency);
  const names = [...new Set(of.map(({ contender }) => contender))];
  const lines = names.map((name) => {
    const mine = of.filter(({ contender }) => contender === name);
    return `| ${cellsOf(name, mine).join(" | ")} |`;
  });
  const head =
    "| | s, median (least-most) | CPU home | CPU VPS | to the VPS | from it | node's memory | care after it |";
  return [`\n${kind} pull, ${latency} ms\n`, head, "|---|---|---|---|---|---|---|---|", ...lines].join("\n");
}

function cellsOf(name: string, rows: readonly Row[]): readonly string[] {
  const { median, least, most } = spreadOf(rows.map(pullSeconds));
  const typical = (of: (row: Row) => number | undefined, text: (value: number) => string) => {
    const values = rows.flatMap((row) => of(row) ?? []);
    return values.length === 0 ? "" : text(medianOf(values));
  };
  const seconds = (value: number) => `${value.toFixed(2)} s`;
  const size = (value: number) => `${(value / 1e6).toFixed(value < 1e6 ? 3 : 1)} MB`;
  return [
    name,
    `${median.toFixed(2)} (${least.toFixed(2)}-${most.toFixed(2)})`,
    typical((row) => row.homeCpuSeconds, seconds),
    typical((row) => row.vpsCpuSeconds, seconds),
    typical((row) => row.toVps, size),
    typical((row) => row.fromVps, size),
    typical((row) => row.peakBytes, size),
    typical((row) => row.careSeconds, seconds),
  ];
}

export interface Ratio extends Interval {
  readonly kind: Kind;
  readonly latency: number;
  readonly against: string;
  readonly target?: number;
}

/** Ours against each other one, round by round. */
export function ratios(rows: readonly Row[], kind: Kind, latency: number): readonly Ratio[] {
  const of = rows.filter((row) => row.kind === kind && row.latency === latency);
  const others = [...new Set(of.map(({ contender }) => contender))].filter((name) => name !== ours);
  const rounds = [...new Set(of.map(({ round }) => round))];
  const inRound = (round: number, name: string) =>
    medianOf(of.filter((row) => row.round === round && row.contender === name).map(pullSeconds));
  return others.flatMap((against) => {
    const each = rounds
      .map((round) => inRound(round, ours) / inRound(round, against))
      .filter((ratio) => Number.isFinite(ratio));
    if (each.length === 0) return [];
    const target = targetOf(kind, latency, against);
    return [{ kind, latency, against, ...intervalOf(each), ...(target === undefined ? {} : { target }) }];
  });
}

/** Of the first pull against the same borg without a network; of an unchanged one against the how-to, which looks at nothing. */
function targetOf(kind: Kind, latency: number, against: string): number | undefined {
  if (kind === "first" && against === "floor") return latency === 0 ? 1.05 : 1.1;
  return kind === "unchanged" && against === "how-to" && latency > 0 ? 1 : undefined;
}

export function ratioTable(all: readonly Ratio[]): string {
  const lines = all.map(({ kind, latency, against, median, low, high, confidence, target }) => {
    const interval = `${low.toFixed(2)}-${high.toFixed(2)} (${Math.round(confidence * 100)} %)`;
    const met = target === undefined ? "" : `${low <= target ? "met" : "missed"}: ${target.toFixed(2)}`;
    return `| ${[kind, `${latency} ms`, `borgpull / ${against}`, median.toFixed(2), interval, met].join(" | ")} |`;
  });
  return [
    "\n| pull | round trip | ratio | median | interval | target |",
    "|---|---|---|---|---|---|",
    ...lines,
  ].join("\n");
}
