/**
 * `node_modules/.bin/node bench/audit.ts [--chunks=10000,1000000] [--unchanged=3] [--no-floor] [--out=FILE]`, as root.
 *
 * What grows with a repository: a first pull of so many chunks and unchanged pulls after it, and of each the parts that home adds to
 * what borg does, one by one. 5,000,000 chunks need 15 GB of disk for a while, and 12 GB of memory for the borgs on both sides.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { checkArchive, listArchives } from "../pull/borg.ts";
import { readJobFile } from "../pull/job.ts";
import { openLedger } from "../pull/ledger.ts";
import { countObjects } from "../pull/rpc/existing.ts";
import { auditSegments, lastCommitted } from "../pull/segments.ts";
import { readConfig } from "../pull/trust/config-file.ts";
import { openLab } from "../sandbox/lab.ts";
import { homePaths } from "../schema/paths.ts";
import { makeHome } from "../test/e2e/pull-fixture.ts";
import { floor, furnishByVps } from "./pull/by-vps.ts";
import { noise, writePieces } from "./pull/data.ts";
import { machine } from "./pull/machine.ts";
import { furnishOurs, ours } from "./pull/ours.ts";
import type { Contender, Sample } from "./pull/sample.ts";
import { tidyWhenEnded } from "./pull/tidy.ts";
import { medianOf } from "./statistics.ts";

const { values } = parseArgs({
  options: {
    chunks: { type: "string", default: "10000,1000000" },
    unchanged: { type: "string", default: "3" },
    "no-floor": { type: "boolean", default: false },
    out: { type: "string" },
  },
});
const chunkBytes = 512;
/** The least that borg's fixed chunker takes; nothing compresses it. */
const borgOptions = { compression: "none", chunker: `fixed,${chunkBytes}` };

interface Cost {
  readonly seconds: number;
  /** Of this process and of the borgs that it started. */
  readonly cpuSeconds: number;
}

/** What home does around a session, by its name. */
type Parts = Readonly<Record<string, Cost>>;

interface Row {
  readonly chunks: number;
  readonly kind: "first" | "unchanged";
  readonly contender: string;
  readonly sample: Sample;
  readonly parts?: Parts;
}

const rows: Row[] = [];
console.log(machine());
for (const chunks of values.chunks.split(",").map(Number)) await measure(chunks);
console.log(table());
save();

async function measure(chunks: number): Promise<void> {
  await using lab = await openLab();
  using home = makeHome();
  tidyWhenEnded(home.folder);
  const host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  await furnishOurs(home, host, { compression: borgOptions.compression });
  // The helper lets nobody choose the chunker: on this host alone it has this one.
  const create = "/usr/local/lib/borgpull/create";
  await host.run(`sed -i 's/ create --progress / create --chunker-params ${borgOptions.chunker} --progress /' ${create}
                  grep -q chunker-params ${create}`);
  writePieces(path.join(host.root, "srv/data/chunks"), chunks * chunkBytes, noise(1));
  if (!values["no-floor"]) {
    await furnishByVps(host);
    await backUps(floor(host, "served", borgOptions), chunks);
    await host.run("rm -rf /srv/served");
  }
  await using contender = await ours(home, host, 0);
  await backUps(contender, chunks, partsOfHome);
}

async function backUps(contender: Contender, chunks: number, parts?: () => Promise<Parts>): Promise<void> {
  await contender.fresh();
  for (let n = 0; n <= Number(values.unchanged); n++) {
    const sample = await contender.backUp();
    const kind = n === 0 ? "first" : "unchanged";
    const row: Row = {
      chunks,
      kind,
      contender: contender.name,
      sample,
      ...(parts ? { parts: await parts() } : {}),
    };
    rows.push(row);
    console.log(JSON.stringify(row));
    save();
  }
}

/** Does again, one after the other, what the last run did beside its session. */
async function partsOfHome(): Promise<Parts> {
  const job = readJobFile(homePaths().jobFile("web1"));
  const { repository } = job;
  using ledger = openLedger(homePaths().stateDb);
  const marks = ledger.marks(readConfig(repository, job.job).id);
  const after = marks.at(-2)?.segment ?? -1;
  const archive = ledger.lastGood(job.job)?.archive?.name ?? "";
  const upTo = marks.at(-1)?.segment ?? -1;
  const parts: Record<string, Cost> = {};
  const time = async (name: string, work: () => Promise<unknown>) => {
    const began = performance.now();
    const before = cpuSeconds();
    await work();
    parts[name] = { seconds: (performance.now() - began) / 1000, cpuSeconds: cpuSeconds() - before };
  };
  await time("last transaction", () => lastCommitted(repository));
  await time("log", () => auditSegments(repository, { after, upTo }));
  await time("count", () => countObjects(repository, upTo));
  await time("list", () => listArchives({ ...job, checkpoints: true }));
  await time("check", () => checkArchive({ ...job, archive }));
  return parts;
}

/** Children count once they have ended. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  const fields = fs.readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
  const ticksPerSecond = 100;
  return (user + system) / 1e6 + (Number(fields[13]) + Number(fields[14])) / ticksPerSecond;
}

function table(): string {
  const names = ["last transaction", "log", "count", "list", "check"];
  const head = [
    "chunks",
    "pull",
    "s, of parts (CPU)",
    "s",
    "CPU home",
    "CPU VPS",
    "node's memory",
    ...names,
    "log / session",
  ];
  const groups = Object.values(
    Object.groupBy(rows, ({ chunks, kind, contender }) => `${chunks} ${kind} ${contender}`),
  );
  const lines = groups.map((group = []) => {
    const [{ chunks, kind, contender }] = group as [Row];
    const of = (pick: (row: Row) => number | undefined) => medianOf(group.flatMap((row) => pick(row) ?? []));
    const text = (value: number, digits = 2) => (Number.isNaN(value) ? "" : value.toFixed(digits));
    const part = (name: string) => of(({ parts }) => parts?.[name]?.seconds);
    const cost = (name: string) => of(({ parts }) => parts?.[name]?.cpuSeconds);
    const pull = of(({ sample }) => sample.seconds - (sample.careSeconds ?? 0));
    const session = pull - 2 * part("last transaction") - part("log") - part("list") - part("check");
    return [
      chunks.toLocaleString("en"),
      kind,
      contender,
      text(pull),
      text(of(({ sample }) => sample.homeCpuSeconds)),
      text(of(({ sample }) => sample.vpsCpuSeconds)),
      text(
        of(({ sample }) => sample.peakBytes && sample.peakBytes / 1e6),
        0,
      ),
      ...names.map((name) =>
        Number.isNaN(part(name)) ? "" : `${text(part(name), 3)} (${text(cost(name))})`,
      ),
      Number.isNaN(session) ? "" : `${((100 * part("log")) / session).toFixed(2)} %`,
    ];
  });
  return ["", head, head.map(() => "---"), ...lines]
    .map((cells) => (typeof cells === "string" ? cells : `| ${cells.join(" | ")} |`))
    .join("\n");
}

function save(): void {
  if (values.out) fs.writeFileSync(values.out, JSON.stringify({ machine: machine(), values, rows }, null, 1));
}
