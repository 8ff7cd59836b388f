import * as z from "zod";
import { UserError } from "../../schema/errors.ts";
import { readPassphrase } from "../passphrase.ts";
import type { Archive } from "../result.ts";
import {
  BeyondLimitsError,
  type BorgResult,
  borg,
  ownTrouble,
  type RepositoryAccess,
  refused,
} from "./command.ts";

export interface ListedArchive extends Archive {
  /** As the VPS's clock had it; never trusted for retention. */
  readonly start: string;
}

/** For the list of archives alone; 200,000 archives take a tenth of it. */
const memoryBytes = 2 * 2 ** 30;

const listing = z.object({
  archives: z.array(
    z.object({ name: z.string(), id: z.string().regex(/^[0-9a-f]{64}$/), start: z.string() }),
  ),
});

/** borg at home cannot read the list of archives, and neither a lock nor the disk is why: the repository itself is not as it was. */
export class UnreadableError extends UserError {
  override readonly name = "UnreadableError";
}

/**
 * The archives of a repository, oldest first by their own clock.
 * @param options.checkpoints those of interrupted runs too
 * @throws UnreadableError when the repository is not readable; UserError when borg refuses for another reason
 */
export async function listArchives(
  options: RepositoryAccess & {
    readonly lockWaitSeconds?: number;
    readonly checkpoints?: boolean;
    /** Whoever has the repository's lock changes nothing meanwhile. */
    readonly bypassLock?: boolean;
    readonly signal?: AbortSignal;
  },
): Promise<readonly ListedArchive[]> {
  const passphrase = readPassphrase(options.passphraseFile);
  const wait = options.lockWaitSeconds ?? 60;
  const flags = [
    ...(options.checkpoints ? ["--consider-checkpoints"] : []),
    ...(options.bypassLock ? ["--bypass-lock"] : []),
  ];
  let result: BorgResult;
  try {
    result = await borg(
      ["--log-json", "--lock-wait", String(wait), "list", "--json", ...flags, options.repository],
      {
        passphrase,
        ...(options.signal ? { signal: options.signal } : {}),
        timeoutSeconds: wait + 600,
        memoryBytes,
      },
    );
  } catch (error) {
    // A list that a VPS has made so long is to be found out and taken back, and must not stop every gate.
    if (error instanceof BeyondLimitsError) throw new UnreadableError(error.problem, error.remedy);
    throw error;
  }
  if (result.code !== 0) {
    const error = refused("list", options.repository, result);
    const tooLarge = /MemoryError/.test(result.stderr);
    if ((ownTrouble(result.stderr) && !tooLarge) || result.code === null) throw error;
    throw new UnreadableError(error.problem, error.remedy);
  }
  const parsed = listing.safeParse(jsonOf(result.stdout));
  if (!parsed.success) {
    // Such as an id that is none: borg passes on what the VPS has written.
    throw new UnreadableError(
      `The list of archives of ${options.repository} is none that borg writes.`,
      "Look at what borg list says.",
    );
  }
  return parsed.data.archives.map(({ name, id, start }) => ({ name, id, start }));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
