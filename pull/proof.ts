/**
 * The proof that files come back: a sample of the newest good archive is restored at home and compared with the VPS. proof/ has the
 * choice of the sample, what came back, what the VPS says, and the judgement.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths, vpsPaths } from "../schema/paths.ts";
import { type Item, listContents } from "./borg/contents.ts";
import type { Ledger } from "./ledger.ts";
import { readPassphrase } from "./passphrase.ts";
import { type Canary, judgeProof, type ProofVerdict } from "./proof/judge.ts";
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

/** All of a sample, however it is packed. */
const restoreSeconds = 3600;

/**
 * Proves that files come back, and records what came of it.
 * @throws UserError when there is no good archive, or borg cannot read it; what was aborted with. It is recorded as "ended" then
 */
export async function proof(options: ProofOptions): Promise<ProofVerdict & { readonly archive: string }> {
  const { job, ledger, signal } = options;
  const number = ledger.beginCheck(job.job, "proof");
  try {
    const archive = await findArchive(options, "latest");
    const { canary, ...verdict } = await prove(options, archive);
    const { outcome, problem, ...detail } = verdict;
    const found = {
      ...detail,
      canary: canary.kind === "back",
      ...(problem === undefined ? {} : { problem }),
    };
    ledger.atomically(() => {
      ledger.endCheck(number, outcome, found);
      if (outcome === "failed") ledger.note(job.job, "check", problem ?? detail.summary);
    });
    return { ...verdict, archive: archive.name };
  } catch (error) {
    const why = error instanceof UserError ? error.problem : String(error);
    ledger.endCheck(number, "ended", { problem: signal?.aborted ? "It was cancelled." : why });
    throw error;
  }
}

async function prove(
  options: ProofOptions,
  archive: Candidate,
): Promise<ProofVerdict & { readonly canary: Canary }> {
  const { job, signal, onStep = () => {} } = options;
  const { run = "" } = archive; // a good one has its run
  onStep("reading the list of files");
  const chosen = await chooseSample(options, archive.name);
  using room = roomFor(job.job);
  onStep("restoring a sample");
  const unreadable = await restoreSample(options, { archive: archive.name, folder: room.folder, ...chosen });
  onStep("comparing it with the VPS");
  const paths = chosen.sample.map(({ path }) => `/${path}`);
  const live = await hashLive(job, run, paths, signal);
  const files = await Promise.all(
    chosen.sample.map(async ({ path: inside, bytes, changed }, index) => {
      const restored = await restoredFile(room.folder, inside);
      return {
        ...{ path: `/${inside}`, changed },
        restored: restored?.bytes === bytes ? restored : undefined,
        live: live.kind === "answered" ? live.files[index] : undefined,
      };
    }),
  );
  const canary = await canaryIn(options, { archive, folder: room.folder, item: chosen.canary });
  const verdict = judgeProof({
    ...{ run, canary, files },
    ...(unreadable === undefined ? {} : { unreadable }),
    ...(live.kind === "unasked" ? { unasked: live.why } : {}),
  });
  return { ...verdict, canary };
}

/**
 * @returns what kept borg from reading the archive
 * @throws UserError when it is home's own matter
 */
async function restoreSample(
  { job, signal }: ProofOptions,
  { archive, folder, canary, sample }: Sample & { readonly archive: string; readonly folder: string },
): Promise<string | undefined> {
  const items = [...(canary ? [canary] : []), ...sample];
  if (items.length === 0) return undefined; // without a path, borg restores all
  const limit = AbortSignal.timeout(restoreSeconds * 1000);
  const restored = await extract(
    {
      ...{ job, archive, folder, where: folder, overwrite: false },
      paths: items.map(({ path }) => path),
      // One whose list says less than it holds would fill home's disk.
      sample: { fileBytes: Math.max(1 << 20, ...items.map(({ bytes }) => bytes)) },
      state: homePaths().state,
      passphrase: readPassphrase(job.passphraseFile),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    },
    confinedAtHome,
  ).catch((error) => {
    if (!limit.aborted || signal?.aborted) throw error;
  });
  if (!restored) return `The sample did not come back within ${restoreSeconds / 60} minutes`;
  const { outcome, said } = restored;
  if (outcome.kind !== "failed") return said.warnings.find(isDamage);
  if (outcome.atHome) throw outcome.error;
  return said.last || "borg was killed";
}

/** borg says so of a file of which a repair has put zeros in the place of what was lost, and goes on. */
const isDamage = (warning: string): boolean =>
  /: (File has damaged \(all-zero\) chunks|Size inconsistency detected: size \d+)/.test(warning);

/** A file with the run's name, which the helper on the VPS puts into every archive: where it lies depends on the job's privilege. */
const canariesOf = ({ job, instance }: JobFile): readonly string[] =>
  [`/var/cache/${instance}/canary/${job}`, `${vpsPaths(instance).home}/canary/${job}`].map(insidePath);

interface Sample {
  readonly canary: Item | undefined;
  readonly sample: readonly Item[];
}

async function chooseSample({ job, ledger, signal }: ProofOptions, archive: string): Promise<Sample> {
  const { repository, passphraseFile } = job;
  const { lockWaitSeconds } = job.limits;
  const canaries = canariesOf(job);
  let canary: Item | undefined;
  const { add, sample } = reservoir(ledger.lastCheck(job.job, "proof")?.detail.again?.map(insidePath));
  await listContents({
    ...{ repository, passphraseFile, lockWaitSeconds, archive },
    ...(signal ? { signal } : {}),
    onItem: (item) => {
      // The helper makes it the first thing in the archive: one of that name later on is anybody's, or of another privilege.
      if (canaries.includes(item.path)) canary ??= item;
      else add(item);
    },
  });
  return { canary, sample: sample() };
}

async function canaryIn(
  { job, ledger }: ProofOptions,
  {
    archive: { started = 0 },
    folder,
    item,
  }: { readonly archive: Candidate; readonly folder: string; readonly item: Item | undefined },
): Promise<Canary> {
  if (item) {
    const text = await restoredText(folder, item.path);
    return text === undefined ? { kind: "lost" } : { kind: "back", text, changed: item.changed };
  }
  const known = ledger
    .checks(job.job, 10_000)
    .some(({ detail, finished }) => detail.canary && finished <= started);
  return { kind: known ? "missing" : "none" };
}

/** A folder for what is restored, gone when it is disposed of. What a proof that was killed left goes first. */
function roomFor(job: string): { readonly folder: string } & Disposable {
  const folder = path.join(homePaths().state, "proof", job);
  const remove = () => fs.rmSync(folder, { recursive: true, force: true });
  remove();
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  return { folder, [Symbol.dispose]: remove };
}
