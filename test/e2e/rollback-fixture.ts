/** Served sessions and attacks without a VPS: borg through an unfiltered `borg serve --append-only`, as a hole in the filter would let it. */
import { execFileSync } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { initRepository, listArchives } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { newRun } from "../../pull/run.ts";
import { gate } from "../../pull/trust/gate.ts";
import { quote } from "../../remote/quote.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { jobData } from "../job-file.ts";
import { owner, passphrase } from "./pull-fixture.ts";

/** Runs borg against a job's repository from a machine of its own, whose cache is in `machine`. */
export function viaServe(
  { job, repository }: JobFile,
  machine: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): string {
  const folder = path.dirname(repository);
  const serve = `cd ${quote(folder)} && exec borg serve --append-only --restrict-to-repository ./${path.basename(repository)}`;
  fs.mkdirSync(machine, { recursive: true });
  return execFileSync("borg", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      LANG: "C.UTF-8",
      HOME: machine,
      BORG_REPO: `ssh://borg/./${path.basename(repository)}`,
      BORG_RSH: `sh -c ${quote(serve)}`,
      BORG_PASSPHRASE: passphrase,
      BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
      ...env,
      BORGPULL_JOB: job,
    },
  });
}

/** A job whose VPS does not answer, with a repository and its copy of the config. */
export async function makeLonelyJob(home: { readonly folder: string }, job: string): Promise<JobFile> {
  const paths = homePaths();
  fs.writeFileSync(paths.passphrase(job), `${passphrase}\n`, { mode: 0o600 });
  const repository = path.join(home.folder, "repositories", job);
  await initRepository({ repository, encryption: "repokey-blake2", passphraseFile: paths.passphrase(job) });
  const key = paths.pullKey(job);
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const [type = "", blob = ""] = fs.readFileSync(`${key}.pub`, "utf8").split(" ");
  const admin = { host: "127.0.0.1", port: 1, user: "root", hostKeys: [`${type} ${blob}`], auth: key };
  const data = jobData(
    {
      owner,
      job,
      repository,
      passphraseFile: paths.passphrase(job),
      limits: { totalSeconds: 600, stallSeconds: 120, lockWaitSeconds: 2 },
    },
    { admin, key },
  );
  fs.writeFileSync(paths.jobFile(job), JSON.stringify(data), { mode: 0o600 });
  return readJobFile(paths.jobFile(job));
}

/** One session of a machine that is what it should be, unless `meanwhile` does something else; then the gate. The run's name. */
export async function served(
  job: JobFile,
  machine: string,
  meanwhile: () => void = () => {},
): Promise<string> {
  using ledger = openLedger(homePaths().stateDb);
  const run = newRun();
  ledger.begin(run, job.job);
  await gate({ job, ledger, pending: run });
  const file = path.join(machine, "file");
  fs.mkdirSync(machine, { recursive: true });
  fs.writeFileSync(file, crypto.randomBytes(100_000));
  viaServe(job, machine, ["create", `::${job.job}-${run}`, file]);
  meanwhile();
  const { breach, own } = await gate({ job, ledger, run });
  const archive = own && { id: own.id, name: own.name };
  ledger.finish(run, {
    outcome: breach ? "tampered" : "good",
    warnings: [],
    ...(archive ? { archive } : {}),
  });
  return run;
}

/** Every file below a folder with what is in it, but borg's locks. */
export function contents(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    fs
      .readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .toSorted()
      .map((file) => [path.relative(folder, file), crypto.hash("sha256", fs.readFileSync(file))]),
  );
}

/** All rows of home's records. */
export function ledgerRows(): unknown {
  using database = new DatabaseSync(homePaths().stateDb);
  const tables = ["runs", "marks", "archives", "breaches", "operations", "events"];
  return tables.map((table) => database.prepare(`SELECT * FROM ${table}`).all());
}

export const archiveNames = async ({ repository, passphraseFile }: JobFile): Promise<readonly string[]> =>
  (await listArchives({ repository, passphraseFile })).map(({ name }) => name);
