/** Pictures of numbers over time, drawn at home to SVG by Apache ECharts: no script is needed to see them. */
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { RunRecord } from "../pull/ledger.ts";
import { bytes } from "../pull/quantities.ts";
import type { ChartView } from "../templates/report.ts";
import { monthOf, nameOf } from "./calendar.ts";

use([BarChart, LineChart, GridComponent, SVGRenderer]);

/** A moment, milliseconds since 1970, and a number. */
type Point = readonly [number, number];

/** Pixels of the picture; it scales to where it stands, on a phone by little. */
const width = 260;
const height = 130;

/** What there is to draw of a job's runs; a chart of one point says nothing. */
export function chartsOf(runs: readonly RunRecord[], since: number, now: number): readonly ChartView[] {
  const sizes = byDay(
    runs.flatMap(({ started, repositoryBytes: size }) => (size === undefined ? [] : [[started, size]])),
  );
  const times = byDay(runs.flatMap(({ started, figures }) => (figures ? [[started, figures.seconds]] : [])));
  const unit = timeUnit(Math.max(0, ...times.map(([, seconds]) => seconds)));
  const scaled = times.map(([time, seconds]): Point => [time, seconds / unit.seconds]);
  const span = { since, now };
  return [
    ...(sizes.length > 1
      ? [
          {
            title: "Size of the repository",
            label: spoken(sizes, bytes),
            svg: draw("line", sizes, bytes, span),
          },
        ]
      : []),
    ...(times.length > 1
      ? [
          {
            title: "Duration of a run",
            label: spoken(times, duration),
            svg: draw("bar", scaled, (value) => `${short(value)} ${unit.name}`, span),
          },
        ]
      : []),
  ];
}

/** The highest of each day: hourly runs would make a picture of megabytes. */
function byDay(points: readonly Point[]): readonly Point[] {
  const days = Map.groupBy(points, ([time]) => new Date(time).toDateString());
  return [...days.values()].map((day) =>
    day.reduce((highest, point) => (point[1] >= highest[1] ? point : highest)),
  );
}

function spoken(points: readonly Point[], text: (value: number) => string): string {
  const [first, last] = [points[0] as Point, points.at(-1) as Point];
  const values = points.map(([, value]) => value);
  const of = ([time, value]: Point) => `${text(value)} on ${nameOf(new Date(time))}`;
  return `From ${of(first)} to ${of(last)}; between ${text(Math.min(...values))} and ${text(Math.max(...values))}`;
}

/** The unit in which the longest of them is a number of a few digits, so that an axis of it has round numbers. */
function timeUnit(longestSeconds: number): { readonly name: string; readonly seconds: number } {
  if (longestSeconds < 120) return { name: "s", seconds: 1 };
  return longestSeconds < 7200 ? { name: "min", seconds: 60 } : { name: "h", seconds: 3600 };
}

/** 42 -> "42 s", 600 -> "10 min", 9000 -> "2.5 h". */
export function duration(seconds: number): string {
  const unit = timeUnit(seconds);
  return `${short(seconds / unit.seconds)} ${unit.name}`;
}

const short = (value: number): string => String(Number(value.toFixed(value < 10 ? 1 : 0)));

interface Span {
  readonly since: number;
  readonly now: number;
}

function draw(
  type: "line" | "bar",
  points: readonly Point[],
  text: (value: number) => string,
  span: Span,
): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption(option(type, points, text, span));
    return chart.renderToSVGString({ useViewBox: true });
  } finally {
    chart.dispose();
  }
}

/** Colours are the page's own variables, so that they are light or dark with it. */
function option(
  type: "line" | "bar",
  points: readonly Point[],
  text: (value: number) => string,
  { since, now }: Span,
) {
  const label = { color: "var(--muted)", fontSize: 10, fontFamily: "sans-serif" };
  const data = points.map(([time, value]) => [time, value]);
  return {
    animation: false,
    grid: { left: 50, right: 8, top: 8, bottom: 24 },
    xAxis: {
      type: "time",
      min: since,
      max: now,
      splitNumber: 4,
      axisLabel: { ...label, formatter: (time: number) => monthOf(new Date(time)), hideOverlap: true },
      axisLine: { lineStyle: { color: "var(--line)" } },
      axisTick: { show: false },
    },
    yAxis: {
      type: "value",
      min: 0,
      splitNumber: 3,
      axisLabel: { ...label, formatter: text },
      splitLine: { lineStyle: { color: "var(--grid)" } },
    },
    series: [
      type === "line"
        ? {
            type,
            data,
            showSymbol: false,
            lineStyle: { color: "var(--chart)", width: 2 },
            areaStyle: { color: "var(--chart)", opacity: 0.14 },
          }
        : { type, data, barWidth: 1.3, itemStyle: { color: "var(--chart-2)" } },
    ],
  } as const;
}
