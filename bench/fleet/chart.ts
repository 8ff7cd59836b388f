/** A picture of `borgpull run --all`: who waited and who ran, and what home spent on it. Drawn to SVG by Apache ECharts, without a browser. */
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Glance } from "./watch.ts";

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

export interface JobTimes {
  readonly job: string;
  /** Since all of them were asked for. */
  readonly startSeconds: number;
  readonly endSeconds: number;
}

const width = 900;
const panels = {
  jobs: { top: 44, height: 300 },
  cpu: { top: 400, height: 110 },
  memory: { top: 566, height: 110 },
  disk: { top: 732, height: 110 },
} as const;
const height = 872;
const colours = {
  waits: "#d8dde6",
  runs: "#2f6fb5",
  home: "#2f6fb5",
  hosts: "#b9770e",
  node: "#2f6fb5",
  borg: "#7a9e3b",
  disk: "#8a4f9e",
};
const text = { color: "#333a45", fontSize: 12, fontFamily: "sans-serif" };

export function chart(jobs: readonly JobTimes[], glances: readonly Glance[]): string {
  const drawing = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    drawing.setOption(option(jobs, glances));
    return drawing.renderToSVGString({ useViewBox: true });
  } finally {
    drawing.dispose();
  }
}

function option(jobs: readonly JobTimes[], glances: readonly Glance[]) {
  const last = Math.ceil(Math.max(...glances.map(({ seconds }) => seconds)));
  const names = Object.keys(panels) as (keyof typeof panels)[];
  const heading = (panel: keyof typeof panels, words: string) => ({
    text: words,
    left: 64,
    top: panels[panel].top - 30,
    textStyle: { ...text, fontSize: 13, fontWeight: "bold" as const },
  });
  const legend = (panel: keyof typeof panels, data: readonly string[]) => ({
    data: [...data],
    right: 30,
    top: panels[panel].top - 30,
    itemWidth: 14,
    itemHeight: 8,
    itemGap: 36,
    icon: "roundRect",
    textStyle: text,
  });
  const value = (unit: string) => ({
    type: "value" as const,
    min: 0,
    splitNumber: 3,
    axisLabel: { ...text, formatter: `{value} ${unit}` },
    splitLine: { lineStyle: { color: "#e8ebf0" } },
  });
  return {
    animation: false,
    backgroundColor: "#ffffff",
    title: [
      heading("jobs", `${jobs.length} jobs, in the order in which they were asked for`),
      heading("cpu", "Processors in use"),
      heading("memory", "Memory at home"),
      heading("disk", "Written to home's disk"),
    ],
    legend: [
      legend("jobs", ["waits for its turn", "runs"]),
      legend("cpu", ["home", "all VPSes"]),
      legend("memory", ["borgpull", "borg"]),
    ],
    grid: names.map((name) => ({ left: 64, right: 16, ...panels[name] })),
    xAxis: names.map((name, gridIndex) => ({
      gridIndex,
      type: "value" as const,
      min: 0,
      max: last,
      axisLabel: {
        ...text,
        showMaxLabel: false,
        show: name === "jobs" || name === "disk",
        formatter: "{value} s",
      },
      splitLine: { lineStyle: { color: "#f0f2f5" } },
    })),
    yAxis: [
      {
        type: "category" as const,
        inverse: true,
        data: jobs.map(({ job }) => job),
        axisLabel: { ...text, fontSize: 10, interval: 0 },
        axisTick: { show: false },
      },
      { ...value(""), gridIndex: 1 },
      { ...value("MB"), gridIndex: 2 },
      { ...value("MB"), gridIndex: 3 },
    ],
    series: [
      bar(
        "waits for its turn",
        colours.waits,
        jobs.map(({ startSeconds }) => startSeconds),
      ),
      bar(
        "runs",
        colours.runs,
        jobs.map(({ startSeconds, endSeconds }) => endSeconds - startSeconds),
      ),
      line(
        1,
        "home",
        colours.home,
        busy(glances, ({ homeCpuSeconds }) => homeCpuSeconds),
      ),
      line(
        1,
        "all VPSes",
        colours.hosts,
        busy(glances, ({ hostCpuSeconds }) => hostCpuSeconds),
      ),
      area(
        "borgpull",
        colours.node,
        glances.map(({ seconds, nodeBytes }) => [seconds, nodeBytes / 1e6]),
      ),
      area(
        "borg",
        colours.borg,
        glances.map(({ seconds, borgBytes }) => [seconds, borgBytes / 1e6]),
      ),
      line(
        3,
        "written",
        colours.disk,
        glances.map(({ seconds, writtenBytes }) => [seconds, writtenBytes / 1e6]),
      ),
    ],
  };
}

type Point = [seconds: number, value: number];

const bar = (name: string, color: string, data: number[]) => ({
  type: "bar" as const,
  name,
  stack: "job",
  data,
  barWidth: "70%",
  itemStyle: { color },
});

const line = (panel: number, name: string, color: string, data: Point[]) => ({
  type: "line" as const,
  name,
  xAxisIndex: panel,
  yAxisIndex: panel,
  data,
  showSymbol: false,
  itemStyle: { color },
  lineStyle: { color, width: 1.5 },
});

const area = (name: string, color: string, data: Point[]) => ({
  ...line(2, name, color, data),
  stack: "memory",
  areaStyle: { color, opacity: 0.35 },
});

/** CPU seconds a second, over two seconds each. */
function busy(glances: readonly Glance[], of: (glance: Glance) => number): Point[] {
  return glances.flatMap((glance, index) => {
    const before = glances[index - 4];
    return before
      ? [[glance.seconds, (of(glance) - of(before)) / (glance.seconds - before.seconds)] as Point]
      : [];
  });
}
