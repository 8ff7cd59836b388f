import { readGuarded } from "../remote/guarded-file.ts";
import { UserError } from "../schema/errors.ts";

/**
 * Reads a passphrase file: one line, 0600 or stricter. Its text appears in no error.
 * @throws UserError missing, open to others, empty, or more than one line
 */
export function readPassphrase(path: string): string {
  let text: string;
  try {
    text = readGuarded(path, { what: "this passphrase", secret: true });
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(
      `${path}: the passphrase cannot be read (${(cause as NodeJS.ErrnoException).code}).`,
      "Put the repository's passphrase into it, as one line with mode 600.",
      { cause },
    );
  }
  const passphrase = text.replace(/\r?\n$/, "");
  checkPassphrase(passphrase, path);
  return passphrase;
}

/** It travels as one line to borg's stdin; 1024 bytes fit the pipe whole. @throws UserError, in which its text does not appear */
export function checkPassphrase(passphrase: string, what: string): void {
  if (passphrase && !/[\0\r\n]/.test(passphrase) && Buffer.byteLength(passphrase) <= 1024) return;
  throw new UserError(
    `${what}: a passphrase is one line of 1 to 1024 bytes.`,
    "Put the repository's passphrase into it, and nothing else.",
  );
}
