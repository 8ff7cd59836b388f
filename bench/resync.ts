/**
 * `node_modules/.bin/node bench/resync.ts [files...] [--archives=10,100] [--latency=0,50] [--times=3]`, as root.
 *
 * What a prune at home costs the next pull. borg on the VPS then finds another list of archives than it knew, and makes its cache anew: of
 * each archive that it has not asked for before, it reads the list of files over the link. Prints the tables of docs/performance.md.
 */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { borg } from "../pull/borg/command.ts";
import { compact } from "../pull/care/compact.ts";
import { prune } from "../pull/care/prune.ts";
import { readJobFile } from "../pull/job.ts";
import { openLedger } from "../pull/ledger.ts";
import { runJob } from "../pull/run.ts";
import { type Host, openLab } from "../sandbox/lab.ts";
import { homePaths } from "../schema/paths.ts";
import { editJob, furnishVps, makeHome, makeJob, passphrase, settings } from "../test/e2e/pull-fixture.ts";
import { type Link, openLink } from "./link.ts";

interface Case {
  readonly files: number;
  readonly archives: number;
}

/** One pull: how long all of it took, and what went over the link. */
interface Sample {
  readonly seconds: number;
  /** Of all of the VPS: other work on this machine does not lengthen it much. */
  readonly cpuSeconds: number;
  readonly toVps: number;
  readonly fromVps: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    archives: { type: "string", default: "10,100" },
    latency: { type: "string", default: "0,50" },
    times: { type: "string", default: "3" },
  },
});
const numbers = (text: string) => text.split(",").map(Number);
const fileCounts = positionals.length > 0 ? positionals.map(Number) : [10_000, 100_000];

const notes: string[] = [];
console.log(`${os.cpus().length} x ${os.cpus()[0]?.model}, load ${os.loadavg()[0]?.toFixed(1)} before\n`);
console.log(
  "| files | archives | round trip | pull | median s (least-most) | CPU of the VPS | to the VPS | from it |",
);
console.log("|---|---|---|---|---|---|---|---|");
for (const files of fileCounts) {
  for (const archives of numbers(values.archives)) await measure({ files, archives });
}
console.log(`\nborg's cache of these archives on the VPS: ${notes.join("; ")}`);
console.log(`load ${os.loadavg()[0]?.toFixed(1)} after`);

async function measure(what: Case): Promise<void> {
  await using lab = await openLab();
  using home = makeHome();
  const host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  const file = await makeJob(home, host, "web1", { totalSeconds: 3600, stallSeconds: 600 });
  await furnishVps(host, "web1");
  await settings(host, "web1", { roots: ["/srv/data"] });
  // All of an hour but the newest, so that each prune finds something to remove.
  editJob(file, (job) => ({ ...job, keep: { hourly: 1 } }));
  fill(path.join(host.root, "srv/data"), what.files);
  await archivesOfHome(file, host, what);
  for (const latency of numbers(values.latency)) {
    await using link = await openLink({ host: host.address, port: 22 }, latency);
    editJob(file, (job) => ({ ...job, pull: { ...job.pull, host: "127.0.0.1", port: link.port } }));
    const pull = () => pullOver(link, host, file);
    await pull(); // whatever is to be read once
    const kinds: Readonly<Record<string, () => Promise<void>>> = {
      unchanged: async () => {},
      "after a prune, 7 archives new to it": async () => {
        await pruned(file);
        await forget(host, 7);
      },
      "after a prune, all new to it": async () => {
        await pruned(file);
        await forget(host, Number.POSITIVE_INFINITY);
      },
      "after a compact": async () => {
        await pruned(file);
        await pull();
        await compacted(file);
      },
    };
    for (const [kind, prepare] of Object.entries(kinds)) {
      const samples: Sample[] = [];
      for (let n = 0; n < Number(values.times); n++) {
        await prepare();
        samples.push(await pull());
      }
      console.log(row(what, latency, kind, samples));
    }
  }
  const cached = listsOf(host).reduce((sum, name) => sum + fs.statSync(name).size, 0);
  notes.push(`${what.files} files, ${what.archives} archives: ${(cached / 1e6).toFixed(0)} MB`);
}

function row({ files, archives }: Case, latency: number, kind: string, samples: readonly Sample[]): string {
  const sorted = (of: (sample: Sample) => number) => samples.map(of).toSorted((a, b) => a - b);
  const median = (list: readonly number[]) => list[Math.floor(list.length / 2)] as number;
  const seconds = sorted((sample) => sample.seconds);
  const time = `${median(seconds).toFixed(1)} (${seconds[0]?.toFixed(1)}-${seconds.at(-1)?.toFixed(1)})`;
  const size = (list: readonly number[]) => `${(median(list) / 1e6).toFixed(1)} MB`;
  const cpu = `${median(sorted(({ cpuSeconds }) => cpuSeconds)).toFixed(1)} s`;
  const cells = [files, archives, `${latency} ms`, kind, time, cpu];
  return `| ${[...cells, size(sorted(({ toVps }) => toVps)), size(sorted(({ fromVps }) => fromVps))].join(" | ")} |`;
}

async function pullOver(link: Link, host: Host, file: string): Promise<Sample> {
  const before = await cpuSecondsOf(host);
  link.reset();
  const began = performance.now();
  const { outcome, failure } = await runJob(file);
  if (outcome !== "good") throw new Error(JSON.stringify(failure));
  const { sent, received } = link.bytes;
  const seconds = (performance.now() - began) / 1000;
  return { seconds, cpuSeconds: (await cpuSecondsOf(host)) - before, toVps: sent, fromVps: received };
}

/** By its cgroup, which every process there is in. */
async function cpuSecondsOf(host: Host): Promise<number> {
  return Number(await host.run("awk '$1 == \"usage_usec\" { print $2 }' /sys/fs/cgroup/cpu.stat")) / 1e6;
}

async function pruned(file: string): Promise<void> {
  using ledger = openLedger(homePaths().stateDb);
  const plan = await prune({ job: readJobFile(file), ledger });
  if (plan.every(({ stays }) => stays)) throw new Error("there was nothing to prune");
}

async function compacted(file: string): Promise<void> {
  using ledger = openLedger(homePaths().stateDb);
  await compact({ job: readJobFile(file), ledger });
}

/** Small files with names of the usual length, a hundred to a folder: what counts is how many there are. */
function fill(folder: string, files: number): void {
  for (let n = 0; n < files; n++) {
    const file = path.join(folder, nameOf(n));
    if (n % 100 === 0) fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, crypto.randomBytes(400 + (n % 1200)));
  }
}

function nameOf(n: number): string {
  return `customer-${Math.floor(n / 100)}/documents/invoice-2026-${n}.txt`;
}

/**
 * Archives made at home: to the VPS's borg they are as new as those of any other client. From one to the next, one file in a hundred is
 * touched, anywhere: so nearly every piece of a list of files differs from that of the day before, and borg has to read it.
 */
async function archivesOfHome(file: string, host: Host, { archives, files }: Case): Promise<void> {
  const { repository } = readJobFile(file);
  const began = Date.now() - archives * 24 * 3600 * 1000;
  for (let n = 0; n < archives; n++) {
    const day = new Date(began + n * 24 * 3600 * 1000);
    for (let changed = 0; changed < files / 100; changed++) {
      fs.utimesSync(path.join(host.root, "srv/data", nameOf(crypto.randomInt(files))), day, day);
    }
    const time = `--timestamp=${day.toISOString().slice(0, 19)}`;
    const words = ["create", "--compression=lz4", time, `${repository}::day-${n}`, "srv/data"];
    const { code, stderr } = await borg(words, { passphrase, cwd: host.root, timeoutSeconds: 3600 });
    if (code !== 0) throw new Error(stderr);
  }
}

/** So many archives' lists of chunks out of the cache on the VPS: borg asks for those again, as for archives made since the last time. */
async function forget(host: Host, most: number): Promise<void> {
  const files = listsOf(host);
  const ids = [...new Set(files.map((file) => path.basename(file).split(".")[0] as string))].slice(0, most);
  for (const file of files) if (ids.some((id) => path.basename(file).startsWith(id))) fs.rmSync(file);
}

/** What borg on the VPS keeps of each archive that it has read. */
function listsOf({ root }: Host): readonly string[] {
  const cache = path.join(root, "var/cache/borgpull");
  return fs
    .readdirSync(cache, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.endsWith("/chunks.archive.d"))
    .map((entry) => path.join(entry.parentPath, entry.name));
}
