/** Secrets of channels: each a file of one line. What is in it appears in no error. */
import { readGuarded } from "../../remote/guarded-file.ts";
import { UserError } from "../../schema/errors.ts";

const longest = 4096;

/**
 * Reads a file that holds one secret.
 * @param what what is in it, such as "this token"
 * @throws UserError missing, open to other users, or not one line of printable characters
 */
export function readSecret(file: string, what: string): string {
  let text: string;
  try {
    text = readGuarded(file, { what, secret: true });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`${file}: ${what} cannot be read (${code}).`, "Put it there, with mode 600.");
  }
  const secret = text.trim();
  if (!secret || secret.length > longest || /\p{Cc}/u.test(secret)) {
    throw new UserError(`${file}: ${what} is not one line of text.`, "Put it there, and nothing else.");
  }
  return secret;
}

/** Where to send to, and what to call it in a sentence: a URL that is in a file is a secret. */
export interface Destination {
  readonly url: URL;
  readonly name: string;
}

/** @throws UserError when the file cannot be read, or holds no http or https URL */
export function destinationOf(channel: {
  readonly url?: string | undefined;
  readonly urlFile?: string | undefined;
}): Destination {
  const { url: plain = "", urlFile } = channel;
  const name = urlFile === undefined ? new URL(plain).origin : `the URL in ${urlFile}`;
  const text = urlFile === undefined ? plain : readSecret(urlFile, "this URL");
  const url = URL.parse(text);
  if (url?.protocol === "https:" || url?.protocol === "http:") return { url, name };
  throw new UserError(`${name} is no http or https URL.`, "Write the whole URL, https:// and all.");
}
