import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { publicKeyOf } from "./config/host-key.ts";
import { UserError } from "./schema/errors.ts";
import { endpoint } from "./schema/target.ts";

/**
 * The host keys that a known_hosts file pins for one endpoint, as "type base64", in the file's order. `ssh-keygen -F` does the
 * matching, so hashed names, patterns and [host]:port mean what they mean to ssh. A key that is @revoked for the endpoint is
 * left out wherever else it stands; @cert-authority lines pin no key. A file that is not there pins nothing.
 * Throws UserError when the file cannot be searched.
 */
export function pinnedKeys(
  file: string,
  at: { readonly host: string; readonly port: number },
): readonly string[] {
  const there = fs.statSync(file, { throwIfNoEntry: false });
  if (there === undefined) return [];
  // ssh-keygen takes a folder for an empty file
  if (there.isDirectory())
    throw new UserError(`${file} is a folder.`, "Name the known_hosts file in it, or set hostKey.");
  return keysOf(search(file, endpoint({ ...at, host: at.host.toLowerCase() })));
}

/** What `ssh-keygen -F` printed -> the keys in force: one known_hosts line each, comments between them. */
function keysOf(printed: string): readonly string[] {
  const entries = printed
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(entryOf);
  const revoked = new Set(entries.filter((entry) => entry.marker === "@revoked").map((entry) => entry.key));
  const pinned = entries.filter((entry) => entry.marker === undefined && !revoked.has(entry.key));
  return [...new Set(pinned.flatMap((entry) => publicKeyOf(entry.key) ?? []))];
}

function entryOf(line: string): { readonly marker: string | undefined; readonly key: string } {
  const fields = line.split(/\s+/);
  const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
  return { marker, key: `${fields[1]} ${fields[2]}` };
}

function search(file: string, name: string): string {
  try {
    return execFileSync("ssh-keygen", ["-F", name, "-f", file], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 10_000,
    });
  } catch (error) {
    const { status, code, stderr } = error as { status?: number; code?: string; stderr?: string };
    // 1 with nothing to say: the name is not in the file
    if (status === 1 && !stderr) return "";
    if (code === "ENOENT")
      throw new UserError("ssh-keygen is not installed.", "Install openssh-client, or set hostKey.");
    throw new UserError(
      `${file} cannot be searched for ${name}: ${stderr?.trim() || code}.`,
      "Mend the file, or set hostKey.",
    );
  }
}
