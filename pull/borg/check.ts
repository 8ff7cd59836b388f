import * as os from "node:os";
import { clean } from "../lines.ts";
import { readPassphrase } from "../passphrase.ts";
import { complaintReader, type Findings } from "./check-log.ts";
import { BeyondLimitsError, borg, ownTrouble, type RepositoryAccess, refused } from "./command.ts";
import { percentReader } from "./percent.ts";

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
    return first(await check(options, args, longestOfArchive));
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
  return first(await check(options, [options.repository], longest));
}

/**
 * What a check looks at (borg 1.2's and 1.4's `borg check`). repository: each segment is read from the disk, its checksums fit, and the
 * index says what the log does; no key is needed. archives: each archive's list of files can be decrypted, and every chunk that it names
 * is in the index; no chunk is read. data: that, and before it each object is read, decrypted and compared with its id.
 * Never with --repair, and not with --max-duration: a repository that is looked at in parts is not compared with its index.
 */
export type BorgCheck = "repository" | "archives" | "data";

const argsOf: Readonly<Record<BorgCheck, readonly string[]>> = {
  repository: ["--repository-only"],
  archives: ["--archives-only"],
  data: ["--archives-only", "--verify-data"],
};

/**
 * borg's check of one kind.
 * @throws UserError when borg cannot tell
 */
export async function checkAs(kind: BorgCheck, options: CheckOptions): Promise<Findings> {
  return check(options, [...argsOf[kind], options.repository], longest);
}

const first = ({ problem, archives: [archive] }: Findings): string | undefined => problem ?? archive?.problem;

async function check(
  options: CheckOptions,
  args: readonly string[],
  timeoutSeconds: number,
): Promise<Findings> {
  const passphrase = readPassphrase(options.passphraseFile);
  const wait = options.lockWaitSeconds ?? 60;
  const complaints = complaintReader();
  const onPercent = percentReader(({ share }) => options.onProgress?.(share ?? 1));
  const result = await borg(
    ["--info", "--log-json", "--lock-wait", String(wait), "check", "--progress", ...args],
    {
      passphrase,
      timeoutSeconds,
      memoryBytes: mostMemory(),
      writes: true, // an index that is missing, and a note in the config
      ...(options.signal ? { signal: options.signal } : {}),
      onLine: (line) => {
        complaints.read(line);
        onPercent(line);
      },
    },
  );
  const findings = complaints.findings();
  if (result.code === 0)
    return complaints.indexDiffers ? findings : { archives: [], looked: findings.looked };
  if (result.code === 1 && complaints.any) return findings;
  // 1: it ended, and found something.
  if (result.code === 1) return { ...findings, problem: "it does not say what" };
  const error = refused("check", options.repository, result);
  // A VPS can make an archive that borg's check stumbles over, or that is larger than this machine's memory when it is unpacked.
  if (result.code === null || /MemoryError/.test(result.stderr)) {
    throw new BeyondLimitsError(error.problem, error.remedy);
  }
  if (ownTrouble(result.stderr)) throw error;
  const during = complaints.current === undefined ? "" : ` (at archive ${clean(complaints.current, 100)})`;
  return { ...findings, problem: `${error.problem}${during}` };
}

/** What a VPS made can grow without end when it is unpacked: not so far that other programs of this machine die of it. */
const mostMemory = (): number => Math.max(Math.floor(os.totalmem() * 0.8), 2 * 2 ** 30);
