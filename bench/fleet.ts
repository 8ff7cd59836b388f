/**
 * `node_modules/.bin/node bench/fleet.ts [--hosts=20,50] [--latency=0,50] [--rounds=7] [--applies=3] [--drift=no] [--only=borgpull,ssh2] [--out=FILE]`,
 * as root.
 *
 * A fleet that is in place already, and what it takes to see that: `pulumi preview` of our program against ansible, pyinfra, an empty stack's preview
 * and two floors, one after another in each round, each from cold. Then how long a first apply takes, on fresh hosts each time
 * (--applies=0 leaves it out). Before anything is measured each tool has to see what was changed on one host (--drift=no: it is believed).
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { applies } from "./fleet/applies.ts";
import { openMachines, placesOf } from "./fleet/machine.ts";
import { previews } from "./fleet/previews.ts";
import { openBenchStack } from "./fleet/pulumi.ts";
import { pythonTools, versions } from "./fleet/python.ts";
import { type Case, ratioLine, ratios, table, writeJson } from "./fleet/report.ts";
import type { Setting } from "./fleet/setting.ts";
import { writeTexts } from "./fleet/texts.ts";

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "20,50" },
    latency: { type: "string", default: "0,50" },
    rounds: { type: "string", default: "7" },
    applies: { type: "string", default: "3" },
    drift: { type: "string", default: "yes" },
    only: { type: "string" },
    out: { type: "string" },
  },
});
const numbers = (text: string) => text.split(",").map(Number);
const wanted = values.only?.split(",");
const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => stopping.abort(new Error(`ended by ${signal}`)));

const bin = await pythonTools(say);
const about = {
  machine: `${os.cpus().length} x ${os.cpus()[0]?.model}`,
  versions: { node: process.version, ...versions },
  began: new Date().toISOString(),
  loadBefore: os.loadavg()[0],
};
const cases: Case[] = [];
for (const count of numbers(values.hosts)) await measureFleet(count);

async function measureFleet(count: number): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bench-fleet-"));
  using cleanUp = new DisposableStack();
  cleanUp.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
  say(`${count} hosts: booting`);
  await using machines = await openMachines(count);
  await using stack = await openBenchStack();
  await stack.configure(placesOf(machines.hosts, undefined));
  say(`${count} hosts: the first up, with a backup of each`);
  await stack.run(["up", "--yes", "--skip-preview", `--parallel=${count * 30}`]);
  const setting: Setting = {
    machines,
    stack,
    folder,
    facts: await writeTexts(folder, machines.hosts),
    bin,
    isWanted: ({ name }) => wanted?.includes(name) ?? true,
    say,
    signal: stopping.signal,
  };
  const rounds = Number(values.rounds);
  for (const [index, latencyMilliseconds] of numbers(values.latency).entries()) {
    const drift = index === 0 && values.drift === "yes";
    done(await previews(setting, { latencyMilliseconds, rounds, drift }));
  }
  if (Number(values.applies) > 0) done(await applies(setting, Number(values.applies)));
}

function done(of: Case): void {
  cases.push(of);
  writeJson(values.out, { ...about, loadAfter: os.loadavg()[0] }, cases);
  const title = of.kind === "preview" ? "In place already" : "First apply";
  console.log(
    `\n### ${title}: ${of.hosts} hosts, ${of.roundTripMilliseconds} ms, ${of.resources} resources\n`,
  );
  console.log(`${table(of)}\n\n${ratios(of).map(ratioLine).join("\n")}`);
}
