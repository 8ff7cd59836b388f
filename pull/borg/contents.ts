import * as z from "zod";
import { readPassphrase } from "../passphrase.ts";
import { borg, ownTrouble, type RepositoryAccess, refused } from "./command.ts";

/** One file, folder, link or other thing in an archive. Its path may be anything that a VPS has put there. */
export interface Item {
  /** As `ls -l` has it: "-" a regular file, "d" a folder, "l" a symbolic link. */
  readonly type: string;
  /** Without a leading slash. */
  readonly path: string;
  readonly bytes: number;
  /** It is another name of a file that came earlier. */
  readonly hardLink: boolean;
  /** When it was last changed on the VPS, content or attributes (ctime); microseconds since 1970, as borg rounds them. */
  readonly changed: number;
}

const line = z.object({
  type: z.string().length(1),
  mode: z.string(),
  path: z.string(),
  size: z.number().nonnegative(),
  ctime: z.string(),
});

/** A day: an archive of many million files is listed in an hour. */
const timeoutSeconds = 24 * 3600;

/** It takes a tenth of it, but what a hostile VPS made may unpack without end. */
const memoryBytes = 2 * 2 ** 30;

/**
 * Reads the list of files of an archive, as a stream: memory does not grow with it.
 * @param options.paths only what is at or below one of these
 * @param options.onItem the same again in the archive's own order
 * @throws UserError when borg cannot read it
 */
export async function listContents(
  options: RepositoryAccess & {
    readonly archive: string;
    readonly paths?: readonly string[];
    readonly lockWaitSeconds: number;
    readonly signal?: AbortSignal;
    readonly onItem: (item: Item) => void;
  },
): Promise<void> {
  const { repository, archive, paths = [], lockWaitSeconds, signal, onItem } = options;
  const passphrase = readPassphrase(options.passphraseFile);
  const result = await borg(
    [
      ...["--log-json", "--lock-wait", String(lockWaitSeconds)],
      ...["list", "--json-lines", "--format", "{size}{ctime}"],
      ...["--", `${repository}::${archiveWord(archive)}`, ...paths.map(pathWord)],
    ],
    {
      passphrase,
      timeoutSeconds,
      memoryBytes,
      ...(signal ? { signal } : {}),
      onOutput: (text) => {
        const item = parse(text);
        if (item) onItem(item);
      },
    },
  );
  // Modern exit codes have more than one for a warning.
  if (result.code === 0 || (result.code !== null && isWarning(result.code) && !ownTrouble(result.stderr)))
    return;
  throw refused("list", repository, result);
}

/** What borg ended with that is no error: 1, and with modern exit codes (1.4) 100 to 127. */
export const isWarning = (code: number): boolean => code === 1 || (code >= 100 && code <= 127);

/** An archive's name as a part of borg's argument: in one that a VPS has chosen, braces would be placeholders. */
export const archiveWord = (name: string): string => name.replace(/[{}]/g, "$&$&");

/** A path as borg's argument, itself and all below it: no pattern, whatever it begins with. */
export const pathWord = (path: string): string => `pp:${path}`;

/** The same without what is below it. borg warns that such a word "never matched", whether it did or not (1.2.4). */
export const exactPathWord = (path: string): string => `pf:${path}`;

function parse(text: string): Item | undefined {
  try {
    const { type, mode, path, size, ctime } = line.parse(JSON.parse(text));
    return { type, path, bytes: size, hardLink: mode.startsWith("h"), changed: microseconds(ctime) };
  } catch {
    return undefined; // cut off: a link to a target of many thousand bytes
  }
}

/** Of borg's times, which are UTC in our environment: "2026-11-23T12:28:04.929939". */
const microseconds = (time: string): number =>
  Date.parse(`${time.slice(0, 19)}Z`) * 1000 + Number(time.slice(20, 26));
