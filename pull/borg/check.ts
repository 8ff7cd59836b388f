import { clean } from "../lines.ts";
import { parseMessage } from "../messages.ts";
import { readPassphrase } from "../passphrase.ts";
import { BeyondLimitsError, borg, ownTrouble, type RepositoryAccess, refused } from "./command.ts";

interface CheckOptions extends RepositoryAccess {
  readonly lockWaitSeconds?: number;
  readonly signal?: AbortSignal;
  /** 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** A day: borg reads the whole repository. */
const longest = 24 * 3600;
/** Of one archive it reads the list of files alone. A VPS can make one that names the same piece of the list any number of times. */
const longestOfArchive = 2 * 3600;

/**
 * Whether all of one archive's chunks are in the repository; borg does not read them.
 * @returns undefined, or what is wrong
 * @throws UserError when borg cannot tell
 */
export async function checkArchive(
  options: CheckOptions & { readonly archive: string },
): Promise<string | undefined> {
  try {
    const args = ["--archives-only", `${options.repository}::${options.archive}`];
    return await check(options, args, longestOfArchive);
  } catch (error) {
    if (error instanceof BeyondLimitsError) return error.problem;
    throw error;
  }
}

/**
 * borg's own check of the repository's log and of all archives.
 * @returns undefined, or what is wrong
 * @throws UserError when borg cannot tell
 */
export async function checkRepository(options: CheckOptions): Promise<string | undefined> {
  return check(options, [options.repository], longest);
}

async function check(
  options: CheckOptions,
  args: readonly string[],
  timeoutSeconds: number,
): Promise<string | undefined> {
  const passphrase = readPassphrase(options.passphraseFile);
  const wait = options.lockWaitSeconds ?? 60;
  const complaints: string[] = [];
  let unused = false;
  const result = await borg(["--log-json", "--lock-wait", String(wait), "check", "--progress", ...args], {
    passphrase,
    timeoutSeconds,
    ...(options.signal ? { signal: options.signal } : {}),
    onLine: (line) => {
      report(line, options.onProgress);
      const message = parseMessage(line);
      if (message?.type !== "log" || (message.level !== "error" && message.level !== "warning")) return;
      if (orphans.test(message.message)) unused = true;
      else if (complaints.length === 0 && !saysNothing.test(message.message))
        complaints.push(message.message);
    },
  });
  if (result.code === 0) return undefined;
  // 1: it ended, and found something.
  if (result.code === 1) {
    const [complaint] = complaints;
    return complaint === undefined && unused ? undefined : clean(complaint ?? "it does not say what");
  }
  const error = refused("check", options.repository, result);
  // A VPS can make an archive that borg's check stumbles over, or that is larger than this machine's memory when it is unpacked.
  if (result.code === null) throw new BeyondLimitsError(error.problem, error.remedy);
  if (ownTrouble(result.stderr)) throw error;
  return error.problem;
}

/**
 * Objects that no archive uses: borg 1.2 and 1.4 take them for an error (archive.py, orphan_chunks_check), and they are no harm. A run
 * that was cut off leaves them, and a hostile VPS can, so they must not keep a rollback from its end.
 */
const orphans = /^\d+ orphaned objects found!$/;
/** The end of a check that has found something, and what borg does not take for an error. */
const saysNothing =
  /^Finished \w+ repository check, errors found\.$|^Archive consistency check complete, problems found\.$|size inconsistency detected: size \d+, chunks size \d+$/;

function report(line: string, onProgress: CheckOptions["onProgress"]): void {
  if (!onProgress || !line.includes('"progress_percent"')) return;
  try {
    const { current, total } = JSON.parse(line) as { current?: number; total?: number };
    if (current !== undefined && total) onProgress(current / total);
  } catch {
    // cut off
  }
}
