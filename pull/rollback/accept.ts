import { UserError } from "../../schema/errors.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgVersion, checkArchive, type ListedArchive, listArchives } from "../borg.ts";
import { readJobFile } from "../job.ts";
import { type ArchiveRecord, type Breach, type Mark, openLedger } from "../ledger.ts";
import { lockJob } from "../lock.ts";
import { readPassphrase } from "../passphrase.ts";
import { configCopy, readConfig, readConfigCopy, writeConfigCopy } from "../trust/config-file.ts";
import { gate } from "../trust/gate.ts";
import { repositoryOf, type Work } from "./look.ts";
import { describeAcceptance } from "./preview.ts";
import { reconcile, recordArchives } from "./reconcile.ts";

export interface AcceptOptions {
  /** Asked once, with what was found and what accepting it means, before anything is recorded. */
  readonly confirm: (preview: string) => Promise<boolean>;
  /** Told which archive borg looks at. */
  readonly onStep?: (step: string) => void;
  readonly signal?: AbortSignal;
}

export type AcceptResult =
  | { readonly kind: "nothing" }
  | { readonly kind: "declined" }
  /** Archives that no longer count as good. */
  | { readonly kind: "accepted"; readonly doubtful: readonly string[] };

/**
 * Takes a job's repository as it is now for what it should be, so that pruning and compacting go on.
 * @param file the job file
 * @throws UserError when home cannot read the repository as it is
 */
export async function accept(
  file: string,
  { confirm, onStep, signal }: AcceptOptions,
): Promise<AcceptResult> {
  const job = readJobFile(file);
  readPassphrase(job.passphraseFile);
  using _lock = lockJob(homePaths().lock(job.job), job.job, { by: "borgpull accept" });
  await borgVersion();
  using ledger = openLedger(homePaths().stateDb);
  const work: Work = { job, ledger, id: repositoryOf(job).id, signal };
  const listed = await list(work);
  await gate({ job, ledger, ...(signal ? { signal } : {}) });
  const breaches = ledger.openBreaches(job.job);
  if (breaches.length === 0) return { kind: "nothing" };
  // What the gate has seen, and no more, is accepted.
  const config = readConfig(job.repository, job.job);
  const { segment } = ledger.mark(config.id) as Mark;
  if (!(await confirm(describeAcceptance(breaches, { job: job.job, copy: configCopy(job.job) })))) {
    return { kind: "declined" };
  }
  const known = ledger.archives(config.id);
  const present = known.filter(({ id, gone }) => !gone && listed.some((archive) => archive.id === id));
  const doubtful = await damaged(work, breaches, present, onStep);
  const runs = [...new Set([...breaches.flatMap((breach) => breach.runs), ...ledger.ungated(job.job)])];
  const expected = new Set(known.filter(({ gone }) => !gone).map(({ id }) => id));
  // Before the record: cut off in between, the breach is open still, and is accepted once more.
  if (readConfigCopy(job.job)?.digest !== config.digest) writeConfigCopy(job.job, config.text);
  ledger.atomically(() => {
    recordArchives(ledger, config.id, reconcile({ job: job.job, known, listed, expected, runs }));
    for (const { id } of doubtful) ledger.setTrust(config.id, id, "unconfirmed");
    ledger.setMark(config.id, { segment, config: config.digest, why: "accept" });
    ledger.setGated(ledger.ungated(job.job));
    ledger.resolveBreaches(job.job, "accept");
    ledger.note(job.job, "accept", `accepted as it is: segment ${segment}, ${listed.length} archive(s)`);
  });
  return { kind: "accepted", doubtful: doubtful.map(({ name }) => name) };
}

const access = ({ job, signal }: Work) => ({
  repository: job.repository,
  passphraseFile: job.passphraseFile,
  lockWaitSeconds: job.limits.lockWaitSeconds,
  ...(signal ? { signal } : {}),
});

/** What home cannot read it cannot vouch for. */
async function list(work: Work): Promise<readonly ListedArchive[]> {
  try {
    return await listArchives({ ...access(work), checkpoints: true });
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(
      `The repository of ${work.job.job} as it is now cannot be accepted, because home cannot read it: ${cause.problem}`,
      `Take it back with "borgpull rollback ${work.job.job}", or mend what keeps home from reading it.`,
      { cause },
    );
  }
}

/** Good archives that may no longer hold what was backed up: with holes, borg finds them; what was replaced it would have to read. */
async function damaged(
  work: Work,
  breaches: readonly Breach[],
  present: readonly ArchiveRecord[],
  onStep: AcceptOptions["onStep"],
): Promise<readonly ArchiveRecord[]> {
  const kinds = new Set(breaches.flatMap(({ findings }) => findings.map(({ kind }) => kind)));
  const good = present.filter(({ trust }) => trust === "good");
  if (kinds.has("objects-overwritten") || kinds.has("log-damaged")) return good;
  if (!kinds.has("objects-deleted")) return [];
  const found: ArchiveRecord[] = [];
  for (const archive of good) {
    onStep?.(`checking ${archive.name}`);
    if ((await checkArchive({ ...access(work), archive: archive.name })) !== undefined) found.push(archive);
  }
  return found;
}
