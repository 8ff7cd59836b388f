import * as z from "zod";

/** A job: also the folder of its repository in the URL, so nothing that a shell or a path could take for more. */
export const jobName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "1 to 40 of a-z, 0-9 and -, not beginning with -");

/** One run of one job. Home chooses it; borgctl takes nothing else from the client. */
export const runId = z.string().regex(/^[a-z0-9-]{8,40}$/, "8 to 40 of a-z, 0-9 and -");

/** One home's account and paths on a VPS: two homes on one VPS use two instances. It is a Unix account's name. */
export const instanceName = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,30}$/,
    "a Unix account's name: 1 to 31 of a-z, 0-9 and -, beginning with a letter",
  );

/** Who declared a thing: `<project>/<stack>`. Written into headers and comments, so no blanks. */
export const ownerId = z
  .string()
  .regex(/^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/, "<project>/<stack>, of letters, digits and . _ -");

export const absolutePath = z.string().regex(/^\/[^\0\r\n]*$/, "an absolute path without line breaks");

/** A public key or host key as in known_hosts, type and base64, no comment. */
export const publicKey = z
  .string()
  .regex(
    /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+=*$/,
    'type and base64, such as "ssh-ed25519 AAAA..."',
  );

/** The header that marks a file as ours; `ownerOf` finds it again. */
export const ownerMark = (owner: string): string => `Managed by borgpull, owner ${owner}.`;

/** The owner named in a file's text, or undefined for a file that borgpull did not write. */
export function ownerOf(text: string): string | undefined {
  return (
    /Managed by borgpull, owner ([A-Za-z0-9._-]+\/[A-Za-z0-9._-]+)\./.exec(text)?.[1] ??
    /"owner": "([A-Za-z0-9._-]+\/[A-Za-z0-9._-]+)"/.exec(text)?.[1]
  );
}
