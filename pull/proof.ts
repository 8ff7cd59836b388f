/**
 * The proof that files come back: a sample of the newest good archive is restored at home and compared with the VPS. proof/ has the
 * choice of the sample, what came back, what the VPS says, and the judgement.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths, vpsPaths } from "../schema/paths.ts";
import { type Item, listContents } from "./borg/contents.ts";
import { freeStaleLock } from "./borg.ts";
import type { CheckDetail, Ledger } from "./ledger.ts";
import { readPassphrase } from "./passphrase.ts";
import { judgeProof, type ProofVerdict } from "./proof/judge.ts";
import { hashLive } from "./proof/live.ts";
import { restoredFile, restoredText } from "./proof/restored.ts";
import { reservoir } from "./proof/sample.ts";
import type { Candidate } from "./restore/choose.ts";
import { confinedAtHome } from "./restore/confined.ts";
import { extract } from "./restore/extract.ts";
import { insidePath } from "./restore/paths.ts";
import { findArchive } from "./restore.ts";

/** The job's lock is held by the caller, all the time. */
export interface ProofOptions {
  readonly job: JobFile;
  readonly ledger: Ledger;
  readonly signal?: AbortSignal;
  /** What is being done, such as "restoring a sample". */
  readonly onStep?: (text: string) => void;
}

/**
 * Proves that files come back, and records what came of it.
 * @throws UserError when there is no good archive, or borg cannot read it; what was aborted with. It is recorded as "ended" then
 */
export async function proof(options: ProofOptions): Promise<ProofVerdict & { readonly archive: string }> {
  const { job, ledger } = options;
  const number = ledger.beginCheck(job.job, "proof");
  let ending: readonly ["good" | "failed" | "ended", CheckDetail] = ["ended", {}];
  try {
    const archive = await findArchive(options, "latest");
    const { outcome, problem, summary } = await prove(options, archive);
    ending = [outcome, { summary, ...(problem === undefined ? {} : { problem }) }];
    return { outcome, summary, archive: archive.name, ...(problem === undefined ? {} : { problem }) };
  } finally {
    ledger.endCheck(number, ...ending);
  }
}

async function prove(options: ProofOptions, archive: Candidate): Promise<ProofVerdict> {
  const { job, signal, onStep = () => {} } = options;
  const ended = signal ? { signal } : {};
  const { run = "" } = archive; // a good one has its run
  onStep("reading the list of files");
  const { canary, sample } = await chooseSample(options, archive.name);
  using room = roomFor(job.job);
  onStep("restoring a sample");
  const { outcome, said } = await extract(
    {
      job,
      archive: archive.name,
      paths: [...(canary === undefined ? [] : [canary]), ...sample.map(({ path }) => path)],
      state: homePaths().state,
      passphrase: readPassphrase(job.passphraseFile),
      ...{ folder: room.folder, where: room.folder, overwrite: false, flags: false },
      ...ended,
    },
    confinedAtHome,
  );
  if (outcome.kind === "failed" && outcome.atHome) throw outcome.error;
  const unreadable =
    outcome.kind === "failed" ? said.last || "borg was killed" : said.warnings.find(isDamage);
  onStep("comparing it with the VPS");
  const live = await hashLive(
    job,
    run,
    sample.map(({ path }) => `/${path}`),
    signal,
  );
  const files = await Promise.all(
    sample.map(async ({ path: inside, bytes }, index) => {
      const restored = await restoredFile(room.folder, inside);
      return {
        path: `/${inside}`,
        restored: restored?.bytes === bytes ? restored : undefined,
        live: live.kind === "answered" ? live.files[index] : undefined,
      };
    }),
  );
  return judgeProof({
    run,
    canary: canary === undefined ? undefined : await restoredText(room.folder, canary),
    files,
    ...(unreadable === undefined ? {} : { unreadable }),
    ...(live.kind === "unasked" ? { unasked: live.why } : {}),
  });
}

/** borg says so of a file of which a repair has put zeros in the place of what was lost, and goes on. */
const isDamage = (warning: string): boolean =>
  /: (File has damaged \(all-zero\) chunks|Size inconsistency detected: size \d+)/.test(warning);

/** A file with the run's name, which the helper on the VPS puts into every archive: where it lies depends on the job's privilege. */
const canariesOf = ({ job, instance }: JobFile): readonly string[] =>
  [`/var/cache/${instance}/canary/${job}`, `${vpsPaths(instance).home}/canary/${job}`].map(insidePath);

async function chooseSample(
  { job, signal }: ProofOptions,
  archive: string,
): Promise<{ readonly canary: string | undefined; readonly sample: readonly Item[] }> {
  const { repository, passphraseFile } = job;
  const { lockWaitSeconds } = job.limits;
  const canaries = canariesOf(job);
  let canary: string | undefined;
  const { add, sample } = reservoir();
  await freeStaleLock(repository, { waitSeconds: lockWaitSeconds, signal });
  await listContents({
    ...{ repository, passphraseFile, lockWaitSeconds, archive },
    ...(signal ? { signal } : {}),
    onItem: (item) => {
      if (canaries.includes(item.path)) canary = item.path;
      else add(item);
    },
  });
  return { canary, sample: sample() };
}

/** A folder for what is restored, gone when it is disposed of. What a proof that was killed left goes first. */
function roomFor(job: string): { readonly folder: string } & Disposable {
  const folder = path.join(homePaths().state, "proof", job);
  const remove = () => fs.rmSync(folder, { recursive: true, force: true });
  remove();
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  return { folder, [Symbol.dispose]: remove };
}
