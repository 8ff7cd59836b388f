/**
 * `node_modules/.bin/node bench/pull.ts [--latency=0,50] [--rounds=5] [--only=borgpull,floor] [--data=full|small] [--compression=lz4] [--unchanged=3] [--out=FILE]`, as root.
 *
 * One pull by borgpull, by the how-to, by plain push, and the same borg without a network: the first one of a new repository, and those
 * after it, of data that has not changed. Every round has all of them, each round in another order. Needs socat at home for the how-to.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { openLab } from "../sandbox/lab.ts";
import { UserError } from "../schema/errors.ts";
import { makeHome } from "../test/e2e/pull-fixture.ts";
import { floor, furnishByVps, furnishPush, push } from "./pull/by-vps.ts";
import { type DataSize, fillTree } from "./pull/data.ts";
import { furnishHowTo, howTo } from "./pull/how-to.ts";
import { machine } from "./pull/machine.ts";
import { furnishOurs, ours } from "./pull/ours.ts";
import { figures, type Kind, type Row, ratios, ratioTable } from "./pull/report.ts";
import type { Contender } from "./pull/sample.ts";
import { tidyWhenEnded } from "./pull/tidy.ts";

const { values } = parseArgs({
  options: {
    latency: { type: "string", default: "0,50" },
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "borgpull,how-to,floor,floor local,push" },
    data: { type: "string", default: "full" },
    compression: { type: "string", default: "lz4" },
    unchanged: { type: "string", default: "3" },
    out: { type: "string" },
  },
});
const { compression } = values;
const latencies = values.latency.split(",").map(Number);
const wanted = new Set(values.only.split(","));
if (wanted.has("how-to") && !fs.existsSync("/usr/bin/socat")) {
  throw new UserError(
    "The how-to needs socat at home.",
    "apt-get install socat, or leave it out with --only.",
  );
}

await using lab = await openLab();
using home = makeHome();
tidyWhenEnded(home.folder);
const host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
say(`${machine()}; data: ${values.data}; compression: ${compression}`);
fillTree(path.join(host.root, "srv/data"), values.data as DataSize);
await furnishOurs(home, host, { compression });
await furnishHowTo(home, host, { compression });
await furnishByVps(host);
const far = wanted.has("push")
  ? await lab.boot({ name: "home", base: "debian12", login: "root" })
  : undefined;
if (far) await furnishPush(host, far);

const rows: Row[] = [];
for (const latency of latencies) await measureAt(latency);
const kinds: readonly Kind[] = ["first", "unchanged"];
for (const latency of latencies) for (const kind of kinds) say(figures(rows, kind, latency));
const compared = latencies.flatMap((latency) => kinds.flatMap((kind) => ratios(rows, kind, latency)));
say(ratioTable(compared));
const peaks = rows.flatMap(({ peakBytes }) => peakBytes ?? []);
if (peaks.length > 0) {
  const most = Math.max(...peaks);
  say(
    `\nnode's memory at most ${(most / 1e6).toFixed(0)} MB, target 100 MB: ${most <= 100e6 ? "met" : "missed"}`,
  );
}
save();

async function measureAt(latency: number): Promise<void> {
  await using open = new AsyncDisposableStack();
  const contenders: Contender[] = [];
  if (wanted.has("borgpull")) contenders.push(open.use(await ours(home, host, latency)));
  if (wanted.has("how-to")) contenders.push(open.use(await howTo(home, host, latency)));
  if (wanted.has("floor")) contenders.push(floor(host, "served", { compression }));
  if (wanted.has("floor local")) contenders.push(floor(host, "local", { compression }));
  if (far) {
    const hosts = { host, home: far, gateway: lab.address };
    contenders.push(open.use(await push(hosts, latency, { compression })));
  }
  for (let round = 0; round < Number(values.rounds); round++) {
    for (let n = 0; n < contenders.length; n++) {
      await measureOne(contenders[(n + round) % contenders.length] as Contender, latency, round);
    }
  }
}

async function measureOne(contender: Contender, latency: number, round: number): Promise<void> {
  await contender.fresh();
  for (let n = 0; n <= Number(values.unchanged); n++) {
    execFileSync("sync"); // what was written before is not written during this
    const row: Row = {
      latency,
      round,
      contender: contender.name,
      kind: n === 0 ? "first" : "unchanged",
      ...(await contender.backUp()),
    };
    rows.push(row);
    say(progress(row));
  }
  save();
}

function progress({ latency, round, contender, kind, ...sample }: Row): string {
  const parts = Object.entries(sample).map(
    ([name, value]) => `${name} ${value > 1e4 ? `${(value / 1e6).toFixed(2)}e6` : value.toFixed(2)}`,
  );
  return `${latency} ms, round ${round}, ${contender}, ${kind}: ${parts.join(", ")}`;
}

function say(text: string): void {
  console.log(text);
}

function save(): void {
  if (!values.out) return;
  const compared = latencies.flatMap((at) => ratios(rows, "first", at).concat(ratios(rows, "unchanged", at)));
  fs.writeFileSync(
    values.out,
    JSON.stringify({ machine: machine(), values, rows, ratios: compared }, null, 1),
  );
}
