import * as z from "zod";
import { readPassphrase } from "../passphrase.ts";
import { borg, type RepositoryAccess, refused } from "./command.ts";

const listing = z.object({ encryption: z.object({ mode: z.string() }) });

/** How a repository was made, such as "repokey-blake2". @throws UserError when the passphrase does not open it, or borg cannot read it */
export async function encryptionOf({ repository, passphraseFile }: RepositoryAccess): Promise<string> {
  const passphrase = readPassphrase(passphraseFile);
  const result = await borg(["--log-json", "list", "--json", "--last", "1", repository], { passphrase });
  if (result.code !== 0) throw refused("list", repository, result);
  return listing.parse(JSON.parse(result.stdout)).encryption.mode;
}
