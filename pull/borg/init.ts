import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import { readPassphrase } from "../passphrase.ts";
import { borg, type RepositoryAccess, refused } from "./command.ts";
import { borgVersion } from "./version.ts";

/** Makes a repository; its parent folders too. @throws UserError when borg refuses */
export async function initRepository(
  options: RepositoryAccess & {
    readonly encryption: "repokey-blake2" | "repokey" | "authenticated-blake2" | "authenticated";
  },
): Promise<{ readonly id: string }> {
  const passphrase = readPassphrase(options.passphraseFile);
  await borgVersion();
  const result = await borg(
    ["init", "--make-parent-dirs", "--umask=077", "--encryption", options.encryption, options.repository],
    { passphrase },
  );
  if (result.code !== 0) throw refused("init", options.repository, result);
  return { id: repositoryId(options.repository) as string };
}

/** A repository's id from its config file, without lock, key or borg; undefined where there is no repository. */
export function repositoryId(repository: string): string | undefined {
  let config: string;
  try {
    config = fs.readFileSync(path.join(repository, "config"), "utf8");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR"].includes(code)) return undefined;
    throw new UserError(
      `${path.join(repository, "config")} cannot be read (${code}).`,
      "Look at the disk that it is on, and whether you may read it.",
      { cause: error },
    );
  }
  return idInConfig(config);
}

/** The id that a repository's config names; undefined for what is none. */
export const idInConfig = (config: string): string | undefined =>
  /^\[repository\]/m.test(config) ? /^id\s*=\s*([0-9a-f]{64})$/m.exec(config)?.[1] : undefined;
