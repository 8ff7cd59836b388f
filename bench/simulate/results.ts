/** What was measured, as a table for docs/performance.md and as a picture. */
import { medianOf, spreadOf } from "../statistics.ts";
import { drawPanels } from "./chart.ts";
import type { Part } from "./processes.ts";
import type { Ran } from "./pulumi.ts";
import type { Counts } from "./stand-in.ts";

export const kinds = ["preview", "up", "change"] as const;
export type Kind = (typeof kinds)[number];

export interface Sample extends Omit<Ran, "out" | "code"> {
  readonly hosts: number;
  readonly kind: Kind;
  readonly resources: number;
  readonly checkpointBytes: number;
  readonly standIns: Counts;
}

const titles: Readonly<Record<Kind, string>> = {
  preview: "preview",
  up: "`up`, nothing to do",
  change: "`up`, two changes a host",
};

export function table(samples: readonly Sample[]): string {
  const rows = groups(samples).map((group) => {
    const [{ kind, hosts, resources }] = group as [Sample];
    const of = (value: (sample: Sample) => number) => medianOf(group.map(value));
    const cpu = (part: Part) => of((sample) => sample.parts[part].cpuSeconds).toFixed(1);
    const peak = (part: Part) => megabytes(of((sample) => sample.parts[part].peakBytes));
    return [
      titles[kind],
      count(hosts),
      count(resources),
      megabytes(of(({ checkpointBytes }) => checkpointBytes)),
      spread(group.map(({ seconds }) => seconds)),
      cpu("engine"),
      cpu("program"),
      cpu("provider"),
      of(({ commandsCpuSeconds }) => commandsCpuSeconds).toFixed(1),
      peak("engine"),
      peak("program"),
      peak("provider"),
      megabytes(of(({ engineWrittenBytes }) => engineWrittenBytes)),
      `${of(({ standIns }) => standIns.mostConnections)} / ${of(({ standIns }) => standIns.mostExecutions)}`,
    ];
  });
  const head = [
    "",
    "hosts",
    "resources",
    "state",
    "seconds, median (least-most)",
    "CPU s: engine",
    "program",
    "provider",
    "their commands",
    "peak: engine",
    "program",
    "provider",
    "engine wrote",
    "connections / executions, most of a host",
  ];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Of the preview, which is what every other thing begins with. */
export function picture(samples: readonly Sample[]): string {
  const previews = groups(samples.filter(({ kind }) => kind === "preview"));
  const line = (name: string, value: (sample: Sample) => number) => ({
    name,
    points: previews.map((group): [number, number] => [group[0]?.hosts ?? 0, medianOf(group.map(value))]),
  });
  const mega = (bytes: number) => bytes / 1e6;
  return drawPanels([
    {
      title: "CPU seconds of a preview",
      unit: "s",
      lines: [
        line("engine", ({ parts }) => parts.engine.cpuSeconds),
        line("program", ({ parts }) => parts.program.cpuSeconds),
        line("provider", ({ parts }) => parts.provider.cpuSeconds),
      ],
    },
    {
      title: "Memory at its peak, and the state on disk",
      unit: "MB",
      lines: [
        line("engine", ({ parts }) => mega(parts.engine.peakBytes)),
        line("program", ({ parts }) => mega(parts.program.peakBytes)),
        line("provider", ({ parts }) => mega(parts.provider.peakBytes)),
        line("state on disk", ({ checkpointBytes }) => mega(checkpointBytes)),
      ],
    },
  ]);
}

/** The samples of the same thing, in the order of kind and size. */
function groups(samples: readonly Sample[]): readonly (readonly Sample[])[] {
  const by = Map.groupBy(
    samples,
    ({ kind, hosts }) => `${kinds.indexOf(kind)} ${String(hosts).padStart(5, "0")}`,
  );
  return [...by].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

function spread(seconds: readonly number[]): string {
  const { median, least, most } = spreadOf(seconds);
  return `${median.toFixed(1)} (${least.toFixed(1)}-${most.toFixed(1)})`;
}
const count = (value: number): string => value.toLocaleString("en");
const megabytes = (bytes: number): string =>
  `${bytes < 10e6 ? (bytes / 1e6).toFixed(1) : count(Math.round(bytes / 1e6))} MB`;
