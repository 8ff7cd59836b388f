/** A home with jobs and months of records, made through the ledger itself with a clock of its own; no repository is more than its config. */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { keyDigest, recordExport } from "../pull/key-export.ts";
import { type CheckKind, type Ledger, openLedger } from "../pull/ledger.ts";
import type { Failure, Figures, Outcome } from "../pull/result.ts";
import { newRun } from "../pull/run.ts";
import type { Finding } from "../pull/trust/finding.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { jobData } from "./job-file.ts";

export const day = 86_400_000;
export const hour = 3_600_000;

/** A run as it went, and what was there after it. */
export interface Told {
  readonly outcome: Outcome | "open";
  readonly failure?: Failure;
  readonly warnings?: readonly string[];
  readonly figures?: Partial<Figures>;
  readonly repositoryBytes?: number;
  readonly findings?: readonly Finding[];
}

export interface FleetHome extends Disposable {
  readonly folder: string;
  /** Makes a job's file and the config of its repository. */
  job(name: string, more?: Partial<JobFile>): JobFile;
  /** Does all of the work with home's records open, in one transaction. */
  records(work: (at: (time: number) => Ledger) => void): void;
}

/** A home of its own; the environment points at it until it is disposed of. */
export function makeFleetHome(): FleetHome {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-fleet-"));
  const before = { config: process.env.BORGPULL_CONFIG, state: process.env.BORGPULL_STATE };
  process.env.BORGPULL_CONFIG = path.join(folder, "config");
  process.env.BORGPULL_STATE = path.join(folder, "state");
  fs.mkdirSync(path.join(folder, "config/jobs"), { recursive: true, mode: 0o700 });
  return {
    folder,
    job: (name, more = {}) => {
      const repository = path.join(folder, "repositories", name);
      fs.mkdirSync(repository, { recursive: true });
      fs.writeFileSync(path.join(repository, "config"), configOf(name));
      const file = homePaths().jobFile(name);
      const parts = { job: name, repository, passphraseFile: homePaths().passphrase(name), ...more };
      const job = jobData({ staleAfterSeconds: 36 * 3600, ...parts });
      fs.writeFileSync(file, JSON.stringify(job), { mode: 0o600 });
      return job;
    },
    records: (work) => {
      let now = Date.now();
      using ledger = openLedger(homePaths().stateDb, () => now);
      ledger.atomically(() =>
        work((time) => {
          now = time;
          return ledger;
        }),
      );
    },
    [Symbol.dispose]: () => {
      fs.rmSync(folder, { recursive: true, force: true });
      set("BORGPULL_CONFIG", before.config);
      set("BORGPULL_STATE", before.state);
    },
  };
}

function set(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

const configOf = (job: string): string =>
  `[repository]\nid = ${repositoryOf(job)}\nkey = made-up-key-of-${job}\n`;
export const repositoryOf = (job: string): string => crypto.createHash("sha256").update(job).digest("hex");

const usual: Figures = {
  files: 48_211,
  originalBytes: 11_800_000_000,
  compressedBytes: 6_000_000_000,
  newBytes: 85_000_000,
  seconds: 62,
};

/** One run from its intent to its record. */
export function tellRun(at: (time: number) => Ledger, job: string, started: number, told: Told): string {
  const { outcome, failure, warnings = [], repositoryBytes, findings } = told;
  const run = newRun(new Date(started));
  const figures = { ...usual, ...told.figures };
  at(started).begin(run, job);
  if (outcome === "open") return run;
  const ledger = at(started + figures.seconds * 1000);
  const archived = outcome === "good" || outcome === "warning";
  const archive = { id: crypto.createHash("sha256").update(run).digest("hex"), name: `${job}-${run}` };
  if (archived) ledger.addArchive(repositoryOf(job), { ...archive, run, trust: "good" });
  if (findings) {
    ledger.addBreach({ job, repository: repositoryOf(job), after: 1, upTo: 2, runs: [run], findings });
  }
  ledger.finish(run, {
    outcome,
    warnings,
    ...(archived ? { archive, figures } : {}),
    ...(failure ? { failure } : {}),
  });
  if (repositoryBytes !== undefined) ledger.setRepositoryBytes(run, repositoryBytes);
  return run;
}

/** One check from its intent to its record. */
export function tellCheck(
  at: (time: number) => Ledger,
  job: string,
  kind: CheckKind,
  started: number,
  result: {
    readonly outcome?: "good" | "failed" | "ended";
    readonly problem?: string;
    readonly summary?: string;
  } = {},
): void {
  const { outcome = "good", ...detail } = result;
  const number = at(started).beginCheck(job, kind);
  at(started + 240_000).endCheck(number, outcome, detail);
}

export const unreachable: Failure = {
  kind: "unreachable",
  problem: "web1.example.com cannot be reached: connection timed out.",
  remedy: "Check that it runs and that its port 22 is open.",
};

const care = {
  prune: 604_800,
  compact: 604_800,
  checkRepository: 28 * 86_400,
  checkArchives: 28 * 86_400,
  proof: 604_800,
};

/** Six jobs with half a year of nights: two good, and one each that has failed, is stale, has warnings, was tampered with. */
export function makeFleet(now: number): FleetHome {
  const home = makeFleetHome();
  const random = generator(7);
  const tonight = new Date(now);
  tonight.setHours(3, 0, 0, 0);
  const last = tonight.getTime() > now ? tonight.getTime() - day : tonight.getTime();
  for (const { name, host } of fleetJobs) {
    const { pull, admin } = home.job(name);
    home.job(name, {
      schedule: "*-*-* 03:00:00",
      care,
      pull: { ...pull, host },
      admin: { ...admin, host },
      staleAfterSeconds: 36 * 3600,
    });
  }
  home.records((at) => {
    for (const { name, start, growth, exported, nights } of fleetJobs) {
      let size = start;
      for (let night = 182; night >= 0; night--) {
        const told = nights(night, random);
        if (told === undefined) continue;
        const archived = told.outcome === "good" || told.outcome === "warning";
        const fresh = Math.round(growth * (0.5 + random()) * (random() < 0.03 ? 9 : 1));
        size += archived ? fresh : 0;
        if (night % 7 === 0) size -= Math.round(growth * 3.5);
        const figures: Figures = {
          files: Math.round(start / 250_000 + (182 - night) * 11),
          originalBytes: Math.round(size * 1.9),
          compressedBytes: size,
          newBytes: fresh,
          seconds: Math.round((20 + start / 400_000_000 + fresh / 6_000_000) * (0.9 + random() / 4)),
        };
        tellRun(at, name, last - night * day + Math.round(random() * 300_000), {
          ...told,
          figures,
          ...(archived ? { repositoryBytes: size } : {}),
        });
        if (night === 96 && name === "wiki")
          at(last - night * day + 9 * hour).resolveBreaches(name, "rollback");
        if (night % 28 === 5 && night < 175) {
          tellCheck(at, name, "repository", last - night * day + hour);
          tellCheck(at, name, "archives", last - night * day + 2 * hour);
        }
        if (night % 7 === 2 && archived) {
          tellCheck(at, name, "proof", last - night * day + 3 * hour, { summary: "20 files compared" });
        }
      }
      if (exported) recordExport(at(last - 170 * day), name, keyDigest(configOf(name)) ?? "");
    }
  });
  return home;
}

interface FleetJob {
  readonly name: string;
  readonly host: string;
  /** Bytes of the repository at first, and what a night adds to it. */
  readonly start: number;
  readonly growth: number;
  readonly exported: boolean;
  /** @param night 0 is tonight's */
  readonly nights: (night: number, random: () => number) => Told | undefined;
}

const changed = "/var/log/nginx/access.log: file changed while we backed it up";
const usually = (random: () => number): Told =>
  random() < 0.04 ? { outcome: "warning", warnings: [changed] } : { outcome: "good" };

const fleetJobs: readonly FleetJob[] = [
  {
    name: "db1",
    host: "db1.example.com",
    start: 41_000_000_000,
    growth: 310_000_000,
    exported: true,
    nights: (night, random) => (night === 0 ? { outcome: "good" } : usually(random)),
  },
  {
    name: "files",
    host: "files.example.net",
    start: 380_000_000_000,
    growth: 900_000_000,
    exported: true,
    // its timer was turned off
    nights: (night, random) => (night < 5 ? undefined : usually(random)),
  },
  {
    name: "mail",
    host: "mail.example.com",
    start: 96_000_000_000,
    growth: 420_000_000,
    exported: true,
    nights: (night, random) =>
      night === 1
        ? {
            outcome: "tampered",
            findings: [
              { kind: "archive-vanished", name: "mail-20261101t030211z-4be1f0a2c377", id: "0".repeat(64) },
              { kind: "objects-deleted", count: 3120, examples: [] },
            ],
            failure: {
              kind: "tampered",
              problem: "3,120 objects of older archives were deleted during this run.",
              remedy: 'Look at it with "borgpull list mail".',
            },
          }
        : usually(random),
  },
  {
    name: "shop",
    host: "shop.example.org",
    start: 18_000_000_000,
    growth: 160_000_000,
    exported: false,
    nights: (night, random) =>
      night === 0
        ? { outcome: "warning", warnings: ["The dump shop.pgdump failed: exit code 1.", changed] }
        : usually(random),
  },
  {
    name: "web1",
    host: "web1.example.com",
    start: 9_400_000_000,
    growth: 48_000_000,
    exported: true,
    nights: (night, random) => {
      if (night === 0) return { outcome: "failed", failure: unreachable };
      if (night > 59 && night < 64)
        return {
          outcome: "failed",
          failure: {
            kind: "disk-full-home",
            problem: "There are 420 MB free on /srv/backup, and this job asks for 1.0 GB.",
            remedy: "Make room there, or lower limits.free.",
          },
        };
      return usually(random);
    },
  },
  {
    name: "wiki",
    host: "wiki.example.org",
    start: 2_100_000_000,
    growth: 9_000_000,
    exported: true,
    nights: (night, random) => {
      if (night > 120) return undefined;
      if (night === 96) return { outcome: "tampered", findings: [{ kind: "manifest-deleted" }] };
      return usually(random);
    },
  },
];

/** The same numbers in [0, 1) each time (a linear congruential generator, Numerical Recipes). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
