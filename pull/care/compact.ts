import { UserError } from "../../schema/errors.ts";
import { checkArchive, compactRepository } from "../borg.ts";
import { bytes } from "../quantities.ts";
import { dataBytes } from "../segments/files.ts";
import { lastCommitted } from "../segments.ts";
import { readConfig } from "../trust/config-file.ts";
import { requireTrusted } from "../trust/gate.ts";
import type { CareOptions } from "./prune.ts";
import { requireSound } from "./sound.ts";

/**
 * Frees the room of what was removed. It is the one step that no rollback takes back, so the newest good archive is looked at first.
 * @returns how much less the repository's data is on disk
 * @throws TamperedError while a breach is open; UnsoundError while a failed check is outstanding; UserError when that archive is not
 * whole, or borg refuses
 */
export async function compact(
  options: CareOptions & { readonly onProgress?: (share: number) => void },
): Promise<{ readonly freedBytes: number }> {
  const { job, ledger, signal, onProgress } = options;
  const { repository, passphraseFile } = job;
  const { lockWaitSeconds } = job.limits;
  const ended = signal ? { signal } : {};
  await requireTrusted({ job, ledger, ...ended });
  requireSound({ job, ledger });
  // A config that changes from here on is not ours to vouch for: the next gate is to see it.
  const { id, digest } = readConfig(repository);
  const newest = ledger.lastGood(job.job, id)?.archive;
  const problem =
    newest &&
    (await checkArchive({ repository, passphraseFile, lockWaitSeconds, ...ended, archive: newest.name }));
  if (problem) {
    throw new UserError(
      `${newest.name}, the newest good archive of ${job.job}, is not whole: ${problem}. Nothing was compacted.`,
      `Find out with borg check what happened to ${repository}; what a prune removed is still in it.`,
    );
  }
  const number = ledger.beginOperation(job.job, { kind: "compact" });
  const before = dataBytes(repository);
  await compactRepository({ repository, lockWaitSeconds, ...ended, ...(onProgress ? { onProgress } : {}) });
  const freedBytes = before - dataBytes(repository);
  const segment = (await lastCommitted(repository)) ?? -1;
  ledger.atomically(() => {
    ledger.setMark(id, { segment, config: digest, why: "compact" });
    ledger.endOperation(number, "done");
    ledger.note(job.job, "compact", `${bytes(Math.max(freedBytes, 0))} freed`);
  });
  return { freedBytes };
}
