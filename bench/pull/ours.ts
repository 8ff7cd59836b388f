/** borgpull itself: `borgpull run JOB` as a process of its own, with a default job. */
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { jobSettings } from "../../config/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import type { Host } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { editJob, furnishVps, makeJob, settings } from "../../test/e2e/pull-fixture.ts";
import { type FarLink, openFarLink } from "../far-links.ts";
import { type Measured, measure } from "./measured.ts";
import { type Contender, cpuSecondsOf, type Sample } from "./sample.ts";

const program = fileURLToPath(new URL("../../cli/borgpull", import.meta.url));
const job = "web1";
const parts = ["config", "state", "repositories"];
const keeping = { recursive: true, preserveTimestamps: true } as const;

/** The job's file, with what `pulumi up` would have put in it. */
export async function furnishOurs(
  home: { readonly folder: string },
  host: Host,
  {
    compression,
    roots = ["/srv/data"],
  }: { readonly compression: string; readonly roots?: readonly string[] },
): Promise<void> {
  const { care, limits } = jobSettings({ paths: roots, compression });
  const file = await makeJob(home, host, job, limits);
  editJob(file, (data) => ({ ...data, care }));
  await furnishVps(host, job);
  await settings(host, job, { roots: ["/etc"], conf: { compression } });
  for (const part of parts) {
    fs.cpSync(path.join(home.folder, part), path.join(home.folder, "unused", part), keeping);
  }
  // Every installation has run before: what V8 made of the program is there. `fresh` forgets all else of this run.
  await borgpull(["run", job]);
  await settings(host, job, { roots, conf: { compression } });
}

/** @param latency milliseconds */
export async function ours(
  home: { readonly folder: string },
  host: Host,
  latency: number,
): Promise<Contender & { readonly link: FarLink } & AsyncDisposable> {
  const link = await openFarLink(host.address, latency);
  return {
    name: "borgpull",
    link,
    fresh: async () => {
      const compiled = path.join(home.folder, "compiled");
      fs.renameSync(homePaths().compileCache, compiled);
      for (const part of parts) {
        fs.rmSync(path.join(home.folder, part), { recursive: true });
        fs.cpSync(path.join(home.folder, "unused", part), path.join(home.folder, part), keeping);
      }
      fs.rmSync(homePaths().compileCache, { recursive: true, force: true });
      fs.renameSync(compiled, homePaths().compileCache);
      await host.run("find /var/cache/borgpull -mindepth 1 -delete");
      goBy(link.port);
    },
    backUp: async () => {
      goBy(link.port);
      return pullOnce(host, link);
    },
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}

/** Where the job finds its VPS, to pull and to restore. */
export function goBy(port: number): void {
  const here = { host: "127.0.0.1", port };
  editJob(homePaths().jobFile(job), (data) => ({
    ...data,
    pull: { ...data.pull, ...here },
    admin: { ...data.admin, ...here },
  }));
}

type Counted = Pick<FarLink, "bytes">;

/** One run of the job. @throws unless it is good */
async function pullOnce(host: Host, link: Counted): Promise<Sample> {
  const sample = await sampleOf(host, link, ["run", job]);
  const careSeconds = secondsOfCare();
  return { ...sample, ...(careSeconds > 0 ? { careSeconds } : {}) };
}

/** A verb, and what went over the link meanwhile. */
export async function sampleOf(host: Host, link: Counted, words: readonly string[]): Promise<Sample> {
  const before = await cpuSecondsOf(host);
  await link.bytes();
  const { seconds, cpuSeconds, peakBytes } = await borgpull(words);
  const { sent, received } = await link.bytes();
  return {
    seconds,
    homeCpuSeconds: cpuSeconds,
    vpsCpuSeconds: (await cpuSecondsOf(host)) - before,
    toVps: sent,
    fromVps: received,
    peakBytes: peakBytes.node ?? Number.NaN,
  };
}

/** A verb, to its good end. */
async function borgpull(words: readonly string[]): Promise<Measured> {
  const { BORGPULL_CONFIG = "", BORGPULL_STATE = "", HOME = "/root" } = process.env;
  const measured = await measure([program, ...words], { env: { BORGPULL_CONFIG, BORGPULL_STATE, HOME } });
  if (measured.code === 0) return measured;
  throw new Error(`borgpull ${words.join(" ")}: ${measured.code}\n${measured.stdout}${measured.stderr}`);
}

/** What the last run did after its backup was recorded: checks and proofs that were due. */
function secondsOfCare(): number {
  using ledger = openLedger(homePaths().stateDb);
  const last = ledger.runs(job, 1)[0];
  const done = ledger.checks(job, 10).filter(({ started }) => last !== undefined && started >= last.started);
  return done.reduce((sum, { started, finished }) => sum + (finished - started) / 1000, 0);
}
