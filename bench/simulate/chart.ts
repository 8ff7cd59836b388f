/** Time and memory by the number of hosts, as a picture for the docs: SVG, on white, readable at 900 pixels. */
import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

export interface Line {
  readonly name: string;
  /** Hosts and value. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
}

const width = 900;
const height = 420;
const font = { fontFamily: "sans-serif", color: "#333" };
const colours = ["#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#6e40c9"];

/** Two panels side by side, both axes in powers of ten: what is straight and rises by one for one grows as the hosts do. */
export function drawPanels(panels: readonly [Panel, Panel]): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: "#fff",
      color: colours,
      title: panels.map(({ title }, n) => ({
        text: title,
        left: n === 0 ? 20 : 470,
        top: 8,
        textStyle: { ...font, fontSize: 14 },
      })),
      legend: {
        bottom: 6,
        textStyle: { ...font, fontSize: 12 },
        data: [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))],
      },
      grid: [
        { left: 60, width: 370, top: 44, bottom: 74 },
        { left: 510, width: 370, top: 44, bottom: 74 },
      ],
      xAxis: panels.map((_, gridIndex) => ({
        gridIndex,
        type: "log" as const,
        min: 1,
        max: 1000,
        name: "hosts",
        nameLocation: "middle" as const,
        nameGap: 26,
        nameTextStyle: font,
        axisLabel: font,
        splitLine: { show: true, lineStyle: { color: "#eee" } },
      })),
      yAxis: panels.map(({ unit }, gridIndex) => ({
        gridIndex,
        type: "log" as const,
        axisLabel: {
          ...font,
          formatter: (value: number) => `${value >= 1000 ? value.toLocaleString("en") : value} ${unit}`,
        },
        splitLine: { lineStyle: { color: "#eee" } },
      })),
      series: panels.flatMap(({ lines }, axis) =>
        lines.map(({ name, points }) => ({
          type: "line" as const,
          name,
          xAxisIndex: axis,
          yAxisIndex: axis,
          data: points.map(([hosts, value]) => [hosts, value]),
          symbolSize: 6,
          lineStyle: { width: 2 },
        })),
      ),
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
