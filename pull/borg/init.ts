import * as path from "node:path";
import { readPassphrase } from "../passphrase.ts";
import { readIfThere } from "../read-if-there.ts";
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
  const config = readIfThere(path.join(repository, "config"));
  return config === undefined ? undefined : idInConfig(config);
}

/** The id that a repository's config names; undefined for what is none. */
export const idInConfig = (config: string): string | undefined =>
  /^\[repository\]/m.test(config) ? /^id\s*=\s*([0-9a-f]{64})$/m.exec(config)?.[1] : undefined;
