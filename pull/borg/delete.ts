import { readPassphrase } from "../passphrase.ts";
import { borg, type RepositoryAccess, refused } from "./command.ts";
import { percentReader } from "./percent.ts";

export interface DeleteProgress {
  /** borg reads the lists of files of archives that its cache at home does not know yet, then it removes. */
  readonly doing: "reading archives" | "removing archives";
  /** 0 to 1. */
  readonly share: number;
}

/** What home names its own archives, checkpoints too: nothing that borg could take for an option, a pattern or a placeholder. */
const ownName = /^[a-z0-9][a-z0-9-]*(\.checkpoint(\.\d+)?)?$/;
/** A command line holds some 20 000 of the longest names. */
const most = 5000;

/**
 * Removes archives by their names, and compacts nothing: what is gone from the list is in the segments still.
 * @throws UserError when borg refuses or is killed: any of them may be gone then
 */
export async function deleteArchives(
  options: RepositoryAccess & {
    readonly archives: readonly string[];
    readonly lockWaitSeconds: number;
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: DeleteProgress) => void;
  },
): Promise<void> {
  const { repository, archives, lockWaitSeconds, signal, onProgress } = options;
  const stranger = archives.find((name) => !ownName.test(name));
  if (stranger !== undefined) throw new Error(`${JSON.stringify(stranger)} is no archive of ours`);
  const passphrase = readPassphrase(options.passphraseFile);
  let removed = 0;
  const onLine = percentReader(({ msgid, share }) => {
    if (msgid === "cache.sync") onProgress?.({ doing: "reading archives", share: share ?? 1 });
    if (msgid !== "archive.delete") return;
    if (share === undefined) removed++;
    onProgress?.({ doing: "removing archives", share: (removed + (share ?? 0)) / archives.length });
  });
  for (let from = 0; from < archives.length; from += most) {
    const names = archives.slice(from, from + most);
    const result = await borg(
      [
        "--log-json",
        "--lock-wait",
        String(lockWaitSeconds),
        "delete",
        "--progress",
        "--",
        repository,
        ...names,
      ],
      { passphrase, timeoutSeconds: 24 * 3600, writes: true, onLine, ...(signal ? { signal } : {}) },
    );
    // 1: a warning, such as a name that is gone already.
    if (result.code !== 0 && result.code !== 1) throw refused("delete", repository, result);
  }
}
