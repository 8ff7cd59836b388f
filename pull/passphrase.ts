import * as fs from "node:fs";
import { UserError } from "../schema/errors.ts";

/**
 * Reads a passphrase file: one line, 0600 or stricter. Its text appears in no error.
 * @throws UserError missing, readable by others, empty, or more than one line
 */
export function readPassphrase(path: string): string {
  let text: string;
  try {
    const { mode } = fs.statSync(path);
    if (mode & 0o077) {
      throw new UserError(`${path}: this passphrase can be read by other users.`, `Run: chmod 600 ${path}`);
    }
    text = fs.readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(
      `${path}: the passphrase cannot be read (${(cause as NodeJS.ErrnoException).code}).`,
      "Put the repository's passphrase into it, as one line with mode 600.",
      { cause },
    );
  }
  const passphrase = text.replace(/\r?\n$/, "");
  // It travels as one line to borg's stdin; 1024 bytes fit the pipe whole.
  if (!passphrase || /[\0\r\n]/.test(passphrase) || Buffer.byteLength(passphrase) > 1024) {
    throw new UserError(
      `${path}: a passphrase is one line of 1 to 1024 bytes.`,
      "Put the repository's passphrase into it, and nothing else.",
    );
  }
  return passphrase;
}
