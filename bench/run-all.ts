/**
 * `node_modules/.bin/node bench/run-all.ts [--hosts=20] [--parallel=4] [--megabytes=100] [--out=FILE] [--chart=FILE.svg]`, as root.
 *
 * `borgpull run --all` of many hosts: what it takes of home (CPU, memory, disk), twice a second, and whether each job gets its turn. A first pull of
 * each host, and then one of what has not changed. The picture in docs/performance.md is of the first.
 */
import { spawn } from "node:child_process";
import * as crypto from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { inOwnCgroup, removeCgroup } from "../sandbox/cgroup.ts";
import { inTurns } from "../sandbox/in-turns.ts";
import type { Host } from "../sandbox/lab.ts";
import { program } from "../test/borgpull.ts";
import { editJob, furnishVps, makeHome, makeJob, settings } from "../test/e2e/pull-fixture.ts";
import { chart, type JobTimes } from "./fleet/chart.ts";
import { openMachines } from "./fleet/machine.ts";
import { hostCpu } from "./fleet/measure.ts";
import { type Glance, watch } from "./fleet/watch.ts";

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "20" },
    parallel: { type: "string", default: "4" },
    megabytes: { type: "string", default: "100" },
    out: { type: "string" },
    chart: { type: "string" },
  },
});
const maxParallel = Number(values.parallel);
const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);

say("booting, and making the jobs");
await using machines = await openMachines(Number(values.hosts));
using home = makeHome();
await inTurns(machines.hosts, async (host) => {
  const file = await makeJob(home, host, host.name, { totalSeconds: 3600, stallSeconds: 600 });
  await furnishVps(host, host.name);
  await settings(host, host.name, { roots: ["/srv/data"] });
  editJob(file, (job) => ({ ...job, maxParallel }));
});
for (const [index, host] of machines.hosts.entries()) fill(host, sizeOf(index));

interface Pass {
  readonly kind: "first" | "unchanged";
  readonly jobs: readonly JobTimes[];
  readonly glances: readonly Glance[];
  /** Of a running job, between two things that it tells. */
  readonly longestSilenceSeconds: number;
  /** From the end of one job to the beginning of the next while any waited. */
  readonly longestIdleSlotSeconds: number;
  /** Pairs of which the one that was asked for later began earlier. */
  readonly overtakings: number;
  readonly mostAtOnce: number;
}

console.log(`${os.cpus().length} x ${os.cpus()[0]?.model}, load ${os.loadavg()[0]?.toFixed(1)} before\n`);
console.log(
  "| pull | hosts | at once | seconds | CPU of home | CPU of the VPSes | memory of borgpull, most | with borg | written | longest wait | a free turn, at most | overtakings |",
);
console.log("|---|---|---|---|---|---|---|---|---|---|---|---|");
const passes: Pass[] = [];
for (const kind of ["first", "unchanged"] as const) {
  const pass = await run(kind);
  passes.push(pass);
  console.log(row(pass));
}
console.log(`\nload ${os.loadavg()[0]?.toFixed(1)} after`);
const [first] = passes;
if (values.out)
  fs.writeFileSync(
    values.out,
    `${JSON.stringify({ hosts: machines.hosts.length, maxParallel, passes }, null, 2)}\n`,
  );
if (values.chart && first) fs.writeFileSync(values.chart, chart(first.jobs, first.glances));

/** From half to three halves of what is asked for, so that jobs end at different times. */
function sizeOf(index: number): number {
  return Math.round(Number(values.megabytes) * (0.5 + ((index * 7) % 20) / 19));
}

/** Files of a megabyte that neither compress nor repeat. */
function fill(host: Host, megabytes: number): void {
  const folder = path.join(host.root, "srv/data");
  fs.mkdirSync(folder, { recursive: true });
  for (let n = 0; n < megabytes; n++)
    fs.writeFileSync(path.join(folder, `${n}.bin`), crypto.randomBytes(1_000_000));
}

async function run(kind: Pass["kind"]): Promise<Pass> {
  const names = machines.hosts.map(({ name }) => name);
  const group = `bench-run-all-${process.pid}`;
  const [command, ...args] = await inOwnCgroup(group, [program, "run", "--all", "--json"]);
  const began = Date.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const told = new Map(
    names.map((name): [string, Told] => [name, { start: 0, end: 0, last: 0, silence: 0 }]),
  );
  const ended = once(child, "close");
  const lines = hear(child.stdout, (event) => note(told, event, began, kind));
  const glances = await watch(group, () => hostCpu(machines), ended);
  await lines;
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`borgpull run --all ended with ${code}`);
  removeCgroup(group);
  const jobs = [...told].map(([job, { start, end }]) => ({ job, startSeconds: start, endSeconds: end }));
  const longestSilenceSeconds = Math.max(...[...told.values()].map(({ silence }) => silence));
  return { kind, jobs, glances, longestSilenceSeconds, ...turns(jobs) };
}

interface Told {
  start: number;
  end: number;
  last: number;
  silence: number;
}

interface Event {
  readonly type: "start" | "progress" | "note" | "end";
  readonly job: string;
  readonly time: string;
  readonly code?: number;
}

async function hear(stream: NodeJS.ReadableStream, tell: (event: Event) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.setEncoding("utf8")) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) tell(JSON.parse(line) as Event);
  }
}

function note(told: ReadonlyMap<string, Told>, event: Event, began: number, kind: Pass["kind"]): void {
  const one = told.get(event.job);
  if (!one) return;
  const seconds = (Date.parse(event.time) - began) / 1000;
  if (event.type === "start") one.start = seconds;
  else if (one.start > 0) one.silence = Math.max(one.silence, seconds - one.last);
  one.last = seconds;
  if (event.type !== "end") return;
  one.end = seconds;
  if (event.code !== 0) throw new Error(`${event.job} ended with ${event.code}`);
  say(
    `${kind} pull of ${event.job}: waited ${one.start.toFixed(1)} s, ran ${(one.end - one.start).toFixed(1)} s`,
  );
}

/** How fair the queue was. @param jobs in the order in which they were asked for */
function turns(jobs: readonly JobTimes[]) {
  const starts = jobs.map(({ startSeconds }) => startSeconds);
  const overtakings = starts.reduce(
    (sum, start, index) => sum + starts.slice(index + 1).filter((later) => later < start).length,
    0,
  );
  const running = (at: number) =>
    jobs.filter(({ startSeconds, endSeconds }) => startSeconds <= at && at < endSeconds).length;
  // Each job but the first ones takes the turn of one that has ended; the n-th start follows the (n - maxParallel)-th end.
  const sortedStarts = starts.toSorted((a, b) => a - b).slice(maxParallel);
  const ends = jobs.map(({ endSeconds }) => endSeconds).toSorted((a, b) => a - b);
  const idle = sortedStarts.map((start, index) => start - (ends[index] ?? start));
  return {
    overtakings,
    longestIdleSlotSeconds: Math.max(0, ...idle),
    mostAtOnce: Math.max(...starts.map(running)),
  };
}

function row({ kind, jobs, glances, longestIdleSlotSeconds, overtakings, mostAtOnce }: Pass): string {
  const last = glances.at(-1) as Glance;
  const most = (of: (glance: Glance) => number) => `${(Math.max(...glances.map(of)) / 1e6).toFixed(0)} MB`;
  const cells = [
    kind,
    jobs.length,
    mostAtOnce,
    Math.max(...jobs.map(({ endSeconds }) => endSeconds)).toFixed(1),
    `${last.homeCpuSeconds.toFixed(1)} s`,
    `${last.hostCpuSeconds.toFixed(1)} s`,
    most(({ nodeBytes }) => nodeBytes),
    most(({ nodeBytes, borgBytes }) => nodeBytes + borgBytes),
    `${(last.writtenBytes / 1e6).toFixed(0)} MB`,
    `${Math.max(...jobs.map(({ startSeconds }) => startSeconds)).toFixed(1)} s`,
    `${longestIdleSlotSeconds.toFixed(1)} s`,
    overtakings,
  ];
  return `| ${cells.join(" | ")} |`;
}
