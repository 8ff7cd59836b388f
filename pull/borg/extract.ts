import * as fs from "node:fs";
import * as path from "node:path";
import { readPassphrase } from "../passphrase.ts";
import { borg, ownTrouble, type RepositoryAccess, refused } from "./command.ts";

/**
 * Extracts one file or folder of an archive below the folder `to`, keeping its path.
 * @param options.path as it was on the VPS
 * @returns where it now is
 */
export async function restoreFile(
  options: RepositoryAccess & { readonly archive: string; readonly path: string; readonly to: string },
): Promise<string> {
  const passphrase = readPassphrase(options.passphraseFile);
  const inside = path.posix.normalize(options.path).replace(/^\/+/, "");
  fs.mkdirSync(options.to, { recursive: true, mode: 0o700 });
  const result = await borg(
    ["--lock-wait", "60", "extract", `${options.repository}::${options.archive}`, `pp:${inside}`],
    { passphrase, cwd: options.to, timeoutSeconds: 24 * 3600 },
  );
  const restored = path.join(options.to, inside);
  if (result.code !== 0 || !fs.existsSync(restored)) throw refused("extract", options.repository, result);
  return restored;
}

/**
 * Reads all that an archive holds, as extracting it would: every object is there, authentic, and what its id says. It takes as long.
 * @returns undefined, or what is wrong
 * @throws UserError when borg cannot tell
 */
export async function readArchive(
  options: RepositoryAccess & { readonly archive: string; readonly lockWaitSeconds?: number },
): Promise<string | undefined> {
  const passphrase = readPassphrase(options.passphraseFile);
  const wait = String(options.lockWaitSeconds ?? 60);
  const result = await borg(
    ["--log-json", "--lock-wait", wait, "extract", "--dry-run", `${options.repository}::${options.archive}`],
    { passphrase, timeoutSeconds: 24 * 3600 },
  );
  if (result.code === 0) return undefined;
  const error = refused("extract", options.repository, result);
  if (result.code === null || ownTrouble(result.stderr)) throw error;
  return error.problem;
}
