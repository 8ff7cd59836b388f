/**
 * `node_modules/.bin/node bench/simulate.ts [--hosts=1,20,50,200,1000] [--rounds=3] [--only=preview,up,change] [--parallel=0]
 * [--changes=200] [--profile=FOLDER] [--out=FILE] [--picture=FILE]`, as root.
 *
 * What the engine, our program and our provider cost with so many hosts, all in place already: `pulumi preview` and an `up` that has
 * nothing to do, with live reads of every resource, and an `up` that changes two resources a host. One host is real, booted, made ready and
 * pulled by a real `pulumi up`; the others are copies of it: in the state, at home, and as stand-ins that give its answers
 * (simulate/stand-in.ts). Every run must end with "unchanged" for each resource but those that were changed.
 *
 * Prints a table for docs/performance.md; `--out` gets all samples as JSON, `--picture` an SVG of the previews, `--profile` what
 * `--cpu-prof` and `--profiling` write, of which it prints the functions that cost most.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { homePaths } from "../schema/paths.ts";
import { type Fleet, makeFleet } from "./simulate/fleet.ts";
import { copyHome } from "./simulate/home.ts";
import { recordOriginal, usually } from "./simulate/original.ts";
import { describeProfiles } from "./simulate/profile.ts";
import { run } from "./simulate/pulumi.ts";
import { type Kind, kinds, picture, type Sample, table } from "./simulate/results.ts";
import type { Counts } from "./simulate/stand-in.ts";
import { openStandIns, type StandIns } from "./simulate/stand-ins.ts";

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "1,20,50,200,1000" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: kinds.join(",") },
    /** Steps of the engine at once; 0 is as many as there are resources. */
    parallel: { type: "string", default: "0" },
    /** Of more hosts than this nothing is changed: the engine writes the whole state several times a change. */
    changes: { type: "string", default: "200" },
    profile: { type: "string" },
    out: { type: "string" },
    picture: { type: "string" },
  },
});
const sizes = values.hosts.split(",").map(Number);
const wanted = kinds.filter((kind) => values.only.split(",").includes(kind));
const say = (text: string) => void process.stderr.write(`${text}\n`);
const load = () => `${os.cpus().length} x ${os.cpus()[0]?.model}, load ${os.loadavg()[0]?.toFixed(1)}`;

const words: Readonly<Record<Kind, readonly string[]>> = {
  preview: ["preview", "--expect-no-changes"],
  up: ["up", "--yes", "--skip-preview", "--expect-no-changes"],
  change: ["up", "--yes", "--skip-preview"],
};

const samples: Sample[] = [];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-simulate-"));
const stack = `s${process.pid}`;
const before = load();
const remove = () => {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.rmSync(path.join(import.meta.dirname, `../Pulumi.${stack}.yaml`), { force: true });
};
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    remove();
    process.exit(130); // what it has started ends with it: run() sees to pulumi, the stand-ins see it themselves
  });
}
try {
  await measureAll();
} finally {
  remove();
}
console.log(`${before} before, ${load()} after\n`);
console.log(table(samples));
if (values.profile) console.log(describeProfiles(values.profile));

async function measureAll(): Promise<void> {
  say("one real host: boot, up, preview");
  const recorded = await recordOriginal(stack, folder);
  const { original, task } = recorded;
  const { config, stateDb } = homePaths({ ...recorded.stack.env });
  const most = Math.max(...sizes);
  copyHome([config, recorded.stack.repositories], stateDb, original, most);
  await using standIns = await openStandIns({ ...task, original, hosts: most });
  const fleets: Fleet[] = [];
  for (const hosts of sizes) {
    const fleet = await makeFleet(recorded, hosts);
    const { resources, importSeconds } = fleet;
    say(`${hosts} hosts: ${resources} resources, imported in ${importSeconds.toFixed(1)} s`);
    fleets.push(fleet);
  }
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const fleet of fleets) for (const kind of wanted) await sample(fleet, kind, standIns, round);
  }
}

async function sample(fleet: Fleet, kind: Kind, standIns: StandIns, round: number): Promise<void> {
  if (kind === "change" && fleet.hosts > Number(values.changes)) return;
  samples.push(await measure(fleet, kind, standIns, kind === "change" ? "48h" : usually));
  // all sizes have one home between them: it is to be as before when the next one comes
  if (kind === "change") await measure(fleet, kind, standIns, usually);
  say(`round ${round}, load ${os.loadavg()[0]?.toFixed(1)}\n${table(samples.slice(-1)).split("\n").at(-1)}`);
  const machine = { before, now: load(), node: process.version };
  if (values.out) fs.writeFileSync(values.out, `${JSON.stringify({ machine, samples }, null, 1)}\n`);
  if (values.picture) fs.writeFileSync(values.picture, picture(samples));
}

async function measure(fleet: Fleet, kind: Kind, standIns: StandIns, staleAfter: string): Promise<Sample> {
  await fleet.configure(staleAfter);
  await standIns.counts();
  const { resources, hosts } = fleet;
  const profile = values.profile && path.resolve(values.profile, `${kind}-${hosts}`);
  if (profile) fs.mkdirSync(profile, { recursive: true });
  const ended = run(
    fleet.stack,
    [
      ...words[kind],
      `--parallel=${Number(values.parallel) || resources}`,
      ...(profile ? [`--profiling=${path.join(profile, "engine")}`] : []),
    ],
    {
      BORGPULL_PULL: "never",
      ...(profile ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` } : {}),
    },
  );
  // What a stand-in could not answer comes first: it is why all else failed.
  const {
    out,
    code: _,
    ...costs
  } = await ended.catch(async (error) => {
    refuseUnknown(await standIns.counts());
    throw error;
  });
  const counts = await standIns.counts();
  // Two of a host, the job file and the pull, both at home: no stand-in would know what was changed.
  const changed = kind === "change" ? 2 * hosts : 0;
  const unchanged = Number(/^\s+(\d+) unchanged$/m.exec(out)?.[1]);
  if (unchanged !== resources - changed) {
    throw new Error(`${unchanged} of ${resources - changed} resources are unchanged:\n${out.slice(-3000)}`);
  }
  refuseUnknown(counts);
  return { ...costs, hosts, kind, resources, checkpointBytes: fleet.checkpointBytes(), standIns: counts };
}

function refuseUnknown({ unknown }: Counts): void {
  if (unknown.length > 0) throw new Error(`the stand-ins have no answer to this:\n${unknown.join("\n")}`);
}
