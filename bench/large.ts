/**
 * `node_modules/.bin/node bench/large.ts [--only=files,sparse,big,restore] [--data=full|small] [--latency=50] [--rounds=1] [--out=FILE]`, as root.
 *
 * What is unlike the usual: 100,000 small files; a sparse file of 20 GB; one file of 5 GB; and the way back, a restore of the usual tree to its
 * VPS. Each by borgpull and by what cannot be beaten. Takes up to 30 GB of disk for a while. "small" is a fiftieth of it.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { type Host, type Lab, openLab } from "../sandbox/lab.ts";
import { makeHome } from "../test/e2e/pull-fixture.ts";
import { floor, furnishByVps, furnishPush, push } from "./pull/by-vps.ts";
import { type DataSize, fillTree, noise, writePieces } from "./pull/data.ts";
import { machine } from "./pull/machine.ts";
import { furnishOurs, ours, sampleOf } from "./pull/ours.ts";
import type { Contender, Sample } from "./pull/sample.ts";
import { tidyWhenEnded } from "./pull/tidy.ts";
import { spreadOf } from "./statistics.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "files,sparse,big,restore" },
    data: { type: "string", default: "full" },
    latency: { type: "string", default: "50" },
    rounds: { type: "string", default: "1" },
    out: { type: "string" },
  },
});
const size = values.data as DataSize;
const share = size === "full" ? 1 : 1 / 50;
const latency = Number(values.latency);
const compression = "lz4";

interface Row {
  readonly what: string;
  readonly kind: "first" | "unchanged" | "restore";
  readonly contender: string;
  readonly sample: Sample;
}
const rows: Row[] = [];

/** How a folder is filled, by the name of the case. */
const sources: Readonly<Record<string, (folder: string) => void>> = {
  files: (folder) => {
    const next = noise(1);
    for (let n = 0; n < 100_000 * share; n++) {
      const name = path.join(folder, String(Math.floor(n / 200)), `invoice-${n}.txt`);
      writePieces(name, 200 + ((n * 7919) % 1800), next);
    }
  },
  sparse: (folder) => {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, "disk.img"), "");
    fs.truncateSync(path.join(folder, "disk.img"), 20e9 * share);
  },
  big: (folder) => writePieces(path.join(folder, "dump"), 5e9 * share, noise(1)),
  restore: (folder) => fillTree(folder, size),
};

console.log(machine());
for (const what of values.only.split(",")) {
  await using lab = await openLab();
  using home = makeHome();
  tidyWhenEnded(home.folder);
  const host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  await furnishOurs(home, host, { compression });
  await furnishByVps(host);
  const fill = sources[what];
  if (!fill) throw new Error(`no case ${what}`);
  fill(path.join(host.root, "srv/data"));
  if (what === "restore") await restores(lab, host, home);
  else await pulls(what, host, home);
}
console.log(table());

async function pulls(what: string, host: Host, home: { readonly folder: string }): Promise<void> {
  await using mine = await ours(home, host, latency);
  const contenders: readonly Contender[] = [mine, floor(host, "served", { compression })];
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const contender of contenders) {
      await contender.fresh();
      add({ what, kind: "first", contender: contender.name, sample: await contender.backUp() });
      add({ what, kind: "unchanged", contender: contender.name, sample: await contender.backUp() });
    }
  }
}

/** Onto the VPS: the link is in between for borgpull and for borg over ssh, and not for borg beside its repository. */
async function restores(lab: Lab, host: Host, home: { readonly folder: string }): Promise<void> {
  const far = await lab.boot({ name: "home", base: "debian12", login: "root" });
  await furnishPush(host, far);
  await using mine = await ours(home, host, latency);
  await using pushing = await push({ host, home: far, gateway: lab.address }, latency, { compression });
  const beside = floor(host, "local", { compression });
  for (const contender of [mine, pushing, beside]) {
    await contender.fresh();
    await contender.backUp();
  }
  for (let round = 0; round < Number(values.rounds); round++) {
    await host.run("rm -rf /srv/restored", { timeoutSeconds: 600 });
    const words = ["restore", "web1", "latest", "--to", "web1:/srv/restored"];
    const sample = await sampleOf(host, mine.link, words);
    add({ what: "restore", kind: "restore", contender: mine.name, sample });
    for (const contender of [pushing, beside]) {
      const sample = await contender.extract();
      add({ what: "restore", kind: "restore", contender: contender.name, sample });
    }
  }
}

function add(row: Row): void {
  rows.push(row);
  console.log(JSON.stringify(row));
  if (values.out) fs.writeFileSync(values.out, JSON.stringify({ machine: machine(), values, rows }, null, 1));
}

function table(): string {
  const head = "| | | | s, median (least-most) | CPU home | CPU VPS | to the VPS | from it | node's memory |";
  const groups = Object.values(
    Object.groupBy(rows, ({ what, kind, contender }) => `${what} ${kind} ${contender}`),
  );
  const lines = groups.map((group = []) => {
    const [{ what, kind, contender }] = group as [Row];
    const of = (pick: (sample: Sample) => number | undefined, digits: number) => {
      const { median } = spreadOf(group.flatMap(({ sample }) => pick(sample) ?? []));
      return Number.isNaN(median) ? "" : median.toFixed(digits);
    };
    const { median, least, most } = spreadOf(
      group.map(({ sample: { seconds, careSeconds = 0 } }) => seconds - careSeconds),
    );
    const cells = [
      ...[what, kind, contender],
      `${median.toFixed(2)} (${least.toFixed(2)}-${most.toFixed(2)})`,
      of(({ homeCpuSeconds }) => homeCpuSeconds, 2),
      of(({ vpsCpuSeconds }) => vpsCpuSeconds, 2),
      of(({ toVps }) => toVps && toVps / 1e6, 1),
      of(({ fromVps }) => fromVps && fromVps / 1e6, 1),
      of(({ peakBytes }) => peakBytes && peakBytes / 1e6, 0),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return ["", head, "|---|---|---|---|---|---|---|---|---|", ...lines].join("\n");
}
