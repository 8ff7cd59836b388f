/** What a `pulumi` and all that it starts costs, part by part: looked at in /proc while it runs. */
import * as fs from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

export const parts = ["engine", "language host", "program", "provider", "others"] as const;
export type Part = (typeof parts)[number];

export interface Cost {
  /** User and system; of both processes, where there are two (the engine starts a provider more, to check its config). */
  readonly cpuSeconds: number;
  /** The most memory that one of them had at once (VmHWM). */
  readonly peakBytes: number;
}

export interface Costs {
  readonly parts: Readonly<Record<Part, Cost>>;
  /** Of the commands that program and provider run at home. */
  readonly commandsCpuSeconds: number;
  /** How many of those there were at once, at the most that was seen. */
  readonly mostCommands: number;
  /** What the engine handed to write(2). */
  readonly engineWrittenBytes: number;
}

interface Seen {
  readonly part: Part;
  cpuTicks: number;
  childTicks: number;
  peakBytes: number;
  written: number;
}

const everyMilliseconds = 25;
const ticksPerSecond = 100; // USER_HZ, which Linux does not change

/** Looks at a process and its descendants until it has ended. What one uses after the last look, 25 ms at most, is missed. */
export async function watch(pid: number, ended: Promise<unknown>): Promise<Costs> {
  const seen = new Map<number, Seen>();
  let mostCommands = 0;
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!over) {
    const commands = look(pid, "others", seen);
    mostCommands = Math.max(mostCommands, commands);
    await Promise.race([wait(everyMilliseconds), ended]);
  }
  const of = (part: Part) => [...seen.values()].filter((process) => process.part === part);
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
  const cost = (part: Part): Cost => ({
    cpuSeconds: sum(of(part).map(({ cpuTicks }) => cpuTicks)) / ticksPerSecond,
    peakBytes: Math.max(0, ...of(part).map((process) => process.peakBytes)),
  });
  return {
    parts: Object.fromEntries(parts.map((part) => [part, cost(part)])) as Record<Part, Cost>,
    commandsCpuSeconds:
      sum([...of("program"), ...of("provider")].map(({ childTicks }) => childTicks)) / ticksPerSecond,
    mostCommands,
    engineWrittenBytes: sum(of("engine").map(({ written }) => written)),
  };
}

/** Takes down one process and those below it; how many commands run. Children of program and provider are counted and no more: there may be a thousand. */
function look(pid: number, above: Part, seen: Map<number, Seen>): number {
  const part = partOf(pid) ?? seen.get(pid)?.part ?? above; // one that has ended, and is not waited for yet, has no command line
  const record = note(pid, part, seen.get(pid));
  if (!record) return 0;
  seen.set(pid, record);
  const children = childrenOf(pid);
  if (part === "program" || part === "provider") return children.length;
  return children.reduce((sum, child) => sum + look(child, part, seen), 0);
}

/** By its command line; what has none of its own yet, between fork and exec, is its parent's. */
function partOf(pid: number): Part | undefined {
  const argv = read(`/proc/${pid}/cmdline`)?.split("\0") ?? [];
  const program = argv[0]?.split("/").at(-1);
  if (program === "pulumi") return "engine";
  if (program?.startsWith("pulumi-language-nodejs")) return "language host";
  if (argv.some((word) => /@pulumi\/pulumi\/cmd\/run(\/|$)/.test(word))) return "program";
  if (argv.some((word) => /\/provider\/main\.(ts|js)$/.test(word))) return "provider";
  return undefined;
}

function note(pid: number, part: Part, before: Seen | undefined): Seen | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const status = read(`/proc/${pid}/status`);
  if (stat === undefined || status === undefined) return undefined;
  // after the name, which may hold anything: proc(5) counts from 1, and the state is 3
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3]);
  return {
    part,
    cpuTicks: field(14) + field(15),
    childTicks: field(16) + field(17),
    peakBytes: Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024 || (before?.peakBytes ?? 0),
    written: Number(/^wchar: (\d+)/m.exec(read(`/proc/${pid}/io`) ?? "")?.[1] ?? before?.written ?? 0),
  };
}

function childrenOf(pid: number): readonly number[] {
  try {
    return fs
      .readdirSync(`/proc/${pid}/task`)
      .flatMap((task) =>
        (read(`/proc/${pid}/task/${task}/children`) ?? "").split(" ").filter(Boolean).map(Number),
      );
  } catch {
    return []; // it has ended
  }
}

function read(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
