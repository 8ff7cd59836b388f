/** Jobs whose sessions are made by borg at home, so that no VPS is needed: what a gate sees is the same. */
import { type ChildProcess, spawn } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { borg } from "../../pull/borg/command.ts";
import { initRepository } from "../../pull/borg.ts";
import type { Keep } from "../../pull/care/retention.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { newRun } from "../../pull/run.ts";
import { gate } from "../../pull/trust/gate.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { jobData } from "../job-file.ts";
import { owner, passphrase } from "./pull-fixture.ts";

/** Once a week, as the config has it unless it says otherwise. */
export const weekly = { prune: 7 * 24 * 3600, compact: 7 * 24 * 3600 };

/** Makes a job's repository and job file in the home that the environment points at. */
export async function makeLocalJob(
  home: string,
  name: string,
  keep: Keep,
  care: JobFile["care"] = weekly,
): Promise<JobFile> {
  const paths = homePaths();
  const repository = path.join(home, "repositories", name);
  const passphraseFile = paths.passphrase(name);
  fs.writeFileSync(passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  await initRepository({ repository, encryption: "repokey-blake2", passphraseFile });
  const parts = { owner, job: name, repository, passphraseFile, keep, care };
  const job = jobData(parts, { key: paths.pullKey(name) });
  fs.writeFileSync(paths.jobFile(name), JSON.stringify(job), { mode: 0o600 });
  return readJobFile(paths.jobFile(name));
}

/** What borg at home does with the repository, behind the back of the records. */
export async function borgByHand(
  { repository, passphraseFile }: JobFile,
  args: readonly string[],
): Promise<void> {
  const secret = fs.readFileSync(passphraseFile, "utf8").trim();
  const { code, stderr } = await borg(
    args.map((arg) => arg.replace("REPO", repository)),
    { passphrase: secret },
  );
  if (code !== 0) throw new Error(stderr);
}

/**
 * A run from its intent to its record, as of `started` by home's clock.
 * @param options.timestamp the archive's own time, as the VPS's clock would have it
 * @param options.files how many new files of 5 kB it backs up
 * @returns the archive's name
 */
export async function backUp(
  job: JobFile,
  started: number,
  options: { readonly timestamp?: string; readonly files?: number; readonly suffix?: string } = {},
): Promise<string> {
  const { timestamp, files = 1, suffix = "" } = options;
  using ledger = openLedger(homePaths().stateDb, () => started);
  const run = newRun(new Date(started));
  const name = `${job.job}-${run}${suffix}`;
  const source = path.join(path.dirname(homePaths().state), "source");
  fs.rmSync(source, { recursive: true, force: true });
  fs.mkdirSync(source);
  for (let n = 0; n < files; n++) fs.writeFileSync(path.join(source, `${n}`), crypto.randomBytes(5000));
  await gate({ job, ledger });
  ledger.begin(run, job.job);
  const time = timestamp ? [`--timestamp=${timestamp}`] : [];
  await borgByHand(job, ["create", "--compression=none", ...time, `REPO::${name}`, source]);
  const { own } = await gate({ job, ledger, run });
  const figures = { files, originalBytes: files * 5000, compressedBytes: 0, newBytes: 0, seconds: 1 };
  const archive = own && { archive: { id: own.id, name: own.name }, figures };
  ledger.finish(run, { outcome: archive ? "good" : "failed", ...archive, warnings: [] });
  return name;
}

export type CareVerb = "prune" | "compact" | "check";

/** What a home does in the middle of its work: see care-job.ts. */
export type Middle = "go on" | "stop" | "die" | "kill borg";

/** A home to be killed, as a process of its own. */
export const careJob = (verb: CareVerb, job: string, middle: Middle): ChildProcess =>
  spawn(
    process.execPath,
    [fileURLToPath(new URL("care-job.ts", import.meta.url)), verb, homePaths().jobFile(job), middle],
    { stdio: ["ignore", "ignore", "inherit"] },
  );

/** The borg that a process has started; undefined before it has, and once that has ended. */
export function borgOf(parent: number): number | undefined {
  const children = fs.readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim();
  return children
    .split(" ")
    .filter(Boolean)
    .map(Number)
    .find((pid) => stateOf(pid) !== "Z" && isBorg(pid));
}

/** One letter as ps shows it, such as T for stopped and Z for a zombie; undefined when there is no such process. */
export const stateOf = (pid: number): string | undefined => /\) (\S)/.exec(read(`/proc/${pid}/stat`))?.[1];

const isBorg = (pid: number) => /(^|\/)borg\0/.test(read(`/proc/${pid}/cmdline`));

function read(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
