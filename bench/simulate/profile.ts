/** What `node --cpu-prof` wrote, by function: where the time of a process went. */
import * as fs from "node:fs";
import * as path from "node:path";

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: Frame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Spent {
  readonly where: string;
  /** In the function itself, and with all that it calls. */
  readonly selfSeconds: number;
  readonly totalSeconds: number;
}

interface Profile {
  /** Of which process, as far as its functions tell. */
  readonly process: "program" | "provider" | "other";
  readonly busySeconds: number;
  readonly functions: readonly Spent[];
  /** Self time by the package or folder that it was spent in. */
  readonly packages: readonly { readonly name: string; readonly seconds: number }[];
}

/** The packages and functions that cost most, of each program and provider that was profiled. */
export function describeProfiles(folder: string): string {
  return fs
    .readdirSync(folder)
    .flatMap((run) => readProfiles(path.join(folder, run)).map((profile) => describe(run, profile)))
    .join("\n");
}

function describe(run: string, { process: of, busySeconds, packages, functions }: Profile): string {
  const most = (by: "selfSeconds" | "totalSeconds", count: number) =>
    functions
      .filter(({ where }) => where !== "(idle)" && where !== "(root)")
      .toSorted((a, b) => b[by] - a[by])
      .slice(0, count)
      .map((spent) => `  ${spent.selfSeconds.toFixed(2)}  ${spent.totalSeconds.toFixed(2)}  ${spent.where}`);
  return [
    `\n${run}: ${of}, ${busySeconds.toFixed(2)} s busy (by the clock, so more where the machine has other work)`,
    ...packages.slice(0, 12).map(({ name, seconds }) => `  ${seconds.toFixed(2)}  ${name}`),
    "seconds by itself, with what it calls:",
    ...most("selfSeconds", 20),
    "those with what they call:",
    ...most("totalSeconds", 40),
  ].join("\n");
}

/** Every profile of a folder. */
const readProfiles = (folder: string): readonly Profile[] =>
  fs
    .readdirSync(folder)
    .filter((file) => file.endsWith(".cpuprofile"))
    .map((file) => read(path.join(folder, file)))
    .filter(({ process: of, busySeconds }) => of !== "other" && busySeconds > 1);

function read(file: string): Profile {
  const { nodes, samples, timeDeltas } = JSON.parse(fs.readFileSync(file, "utf8")) as CpuProfile;
  const self = new Map<number, number>();
  for (const [index, id] of samples.entries()) {
    self.set(id, (self.get(id) ?? 0) + (timeDeltas[index] as number) / 1e6);
  }
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const functions = new Map<string, { self: number; total: number }>();
  const packages = new Map<string, number>();
  const walk = (id: number, above: ReadonlySet<string>): number => {
    const node = byId.get(id);
    if (!node) return 0;
    const where = nameOf(node.callFrame);
    const own = self.get(id) ?? 0;
    const inside = new Set(above).add(where);
    const total = (node.children ?? []).reduce((sum, child) => sum + walk(child, inside), own);
    const entry = functions.get(where) ?? { self: 0, total: 0 };
    // a recursive function's time counts once
    functions.set(where, { self: entry.self + own, total: entry.total + (above.has(where) ? 0 : total) });
    const name = packageOf(node.callFrame);
    packages.set(name, (packages.get(name) ?? 0) + own);
    return total;
  };
  walk(nodes[0]?.id ?? 0, new Set());
  const list = [...functions].map(([where, { self: selfSeconds, total: totalSeconds }]) => ({
    where,
    selfSeconds,
    totalSeconds,
  }));
  const idle = functions.get("(idle)")?.self ?? 0;
  const all = [...self.values()].reduce((a, b) => a + b, 0);
  return {
    process: nodes.some(({ callFrame }) => callFrame.url.endsWith("/provider/main.ts"))
      ? "provider"
      : nodes.some(({ callFrame }) => /cmd\/run/.test(callFrame.url))
        ? "program"
        : "other",
    busySeconds: all - idle,
    functions: list,
    packages: [...packages]
      .map(([name, seconds]) => ({ name, seconds }))
      .filter(({ name }) => name !== "(idle)")
      .toSorted((a, b) => b.seconds - a.seconds),
  };
}

const nameOf = ({ functionName, url, lineNumber }: Frame): string =>
  url === ""
    ? functionName || "(anonymous)"
    : `${functionName || "(anonymous)"} ${shortOf(url)}:${lineNumber + 1}`;

const shortOf = (url: string): string =>
  url
    .replace(/^file:\/\//, "")
    .replace(/^.*\/node_modules\//, "")
    .replace(`${path.resolve(import.meta.dirname, "../..")}/`, "");

function packageOf({ url, functionName }: Frame): string {
  if (url === "") return functionName.startsWith("(") ? functionName : "(native)";
  if (url.startsWith("node:")) return "node";
  const inModule = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url);
  return inModule?.[1] ?? shortOf(url).split("/").slice(0, 2).join("/");
}
