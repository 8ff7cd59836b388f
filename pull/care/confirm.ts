import { checkArchive } from "../borg.ts";
import type { ArchiveRecord, Breach, RunRecord, ServedSession } from "../ledger.ts";
import { readConfig } from "../trust/config-file.ts";
import type { CareOptions } from "./prune.ts";

export interface ConfirmFacts {
  readonly job: string;
  /** Those that are there. */
  readonly archives: readonly ArchiveRecord[];
  readonly run: (run: string) => RunRecord | undefined;
  readonly session: (run: string) => ServedSession;
  /** All that were ever found in this repository. */
  readonly breaches: readonly Breach[];
  /** The check that was good: "data" has read and compared every object. */
  readonly check: "archives" | "data";
}

/**
 * Which unconfirmed archives may become good after a good check: those that a run of ours made which came to its end, whose VPS named no
 * other archive, when a person has decided on every breach; and where objects may lie under ids that are not theirs (an overwritten object
 * or a damaged log that was accepted, objects that were sent anew in that session), only when all data was checked.
 * borg must still find all chunks of each, looked at alone: the gate's own condition (trust/gate.ts, confirm).
 */
export function confirmable(facts: ConfirmFacts): readonly ArchiveRecord[] {
  const { job, archives, breaches, check } = facts;
  if (breaches.some(({ resolved }) => !resolved)) return [];
  const replaced = breaches.some(
    ({ findings, resolved }) =>
      resolved?.by === "accept" && findings.some(({ kind }) => replacing.includes(kind)),
  );
  return archives.filter(({ id, trust, run, gone }) => {
    const record = run === undefined ? undefined : facts.run(run);
    if (trust !== "unconfirmed" || gone || record?.job !== job) return false;
    if (record.finished === undefined || record.outcome === "abandoned") return false;
    const { reportedId = id, ignoredPuts = 0 } = facts.session(record.run);
    return reportedId === id && (check === "data" || (ignoredPuts === 0 && !replaced));
  });
}

const replacing: readonly string[] = ["objects-overwritten", "log-damaged"];

/**
 * Makes archives good of which it is certain by now that they are.
 * @returns their names
 */
export async function confirm(
  { job, ledger, signal }: CareOptions,
  check: ConfirmFacts["check"],
): Promise<readonly string[]> {
  const { id } = readConfig(job.repository);
  const candidates = confirmable({
    job: job.job,
    archives: ledger.archives(id),
    run: ledger.run,
    session: ledger.session,
    breaches: [...ledger.breaches(job.job)].filter(({ repository }) => repository === id),
    check,
  });
  const confirmed: string[] = [];
  for (const archive of candidates) {
    const problem = await checkArchive({
      repository: job.repository,
      passphraseFile: job.passphraseFile,
      lockWaitSeconds: job.limits.lockWaitSeconds,
      archive: archive.name,
      ...(signal ? { signal } : {}),
    });
    if (problem !== undefined) continue;
    ledger.atomically(() => {
      ledger.setTrust(id, archive.id, "good");
      ledger.note(job.job, "confirmed", `${archive.name}: borg finds all of it, so it counts as good`);
    });
    confirmed.push(archive.name);
  }
  return confirmed;
}
