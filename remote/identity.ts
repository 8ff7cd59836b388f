import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import ssh2 from "ssh2";
import { UserError } from "../schema/errors.ts";

const run = promisify(execFile);

/** A key pair at home: `path` is the private key, `path.pub` the public one. */
export type Identity =
  | { readonly kind: "absent" }
  | {
      readonly kind: "key";
      /** Type and base64. */
      readonly publicKey: string;
      readonly comment: string;
      /** As `ssh-keygen -l` prints it: SHA256:... */
      readonly fingerprint: string;
      /** Of the private key, such as "0600". */
      readonly mode: string;
    };

/** Reads a key pair. The public half is taken from the private key, not from the .pub file, which somebody may have changed. */
export async function readIdentity(file: string): Promise<Identity> {
  const stat = await fs.stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!stat) return { kind: "absent" };
  const mode = `0${(stat.mode & 0o777).toString(8).padStart(3, "0")}`;
  const text = await fs.readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(file, inWords[error.code ?? ""] ?? error.message, error);
  });
  const { type, comment, blob } = publicHalf(file, text);
  return { kind: "key", publicKey: `${type} ${blob}`, comment, fingerprint: fingerprintOf(blob), mode };
}

/** Read in this process: with fifty jobs, fifty of ssh-keygen would start at each preview. */
function publicHalf(file: string, text: Buffer): { type: string; comment: string; blob: string } {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw unreadable(file, key.message, key);
  if (!key.isPrivateKey()) throw unreadable(file, "it holds a public key");
  return { type: key.type, comment: key.comment, blob: key.getPublicSSH().toString("base64") };
}

const inWords: Readonly<Record<string, string>> = {
  EISDIR: "it is a folder",
  EACCES: "whoever runs this may not read it",
};

const unreadable = (file: string, why: string, cause?: Error) =>
  new UserError(
    `${file}: this private key cannot be read: ${why}.`,
    "A pull key has no passphrase. Put its file back as it was, or move it aside: the next `pulumi up` makes another, and puts that on the VPS.",
    { cause },
  );

/** As `ssh-keygen -l` prints it: SHA-256 in base64 without padding. */
const fingerprintOf = (blob: string): string =>
  `SHA256:${createHash("sha256").update(Buffer.from(blob, "base64")).digest("base64").replace(/=+$/, "")}`;

/** Makes an ed25519 key pair without a passphrase, 0600: it must work when nobody is there to type one. */
export async function makeIdentity(file: string, comment: string): Promise<void> {
  await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await keygen(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file]);
}

/** Moves a key pair to where there is none; nothing where it is not, or where there is one. */
export async function moveIdentity(from: string, to: string): Promise<void> {
  if ((await readIdentity(from)).kind === "absent" || (await readIdentity(to)).kind !== "absent") return;
  await fs.mkdir(path.dirname(to), { recursive: true, mode: 0o700 });
  await fs.rename(`${from}.pub`, `${to}.pub`).catch(() => {}); // it is written anew
  await fs.rename(from, to);
}

/** Moves a key pair aside, to names that say when. Returns the private key's new path. */
export async function retireIdentity(file: string): Promise<string> {
  const aside = `${file}.removed-${new Date().toISOString().replace(/[:.]/g, "")}`;
  await fs.rename(file, aside);
  await fs.rename(`${file}.pub`, `${aside}.pub`).catch(() => {});
  return aside;
}

async function keygen(args: readonly string[]): Promise<void> {
  try {
    await run("ssh-keygen", args, { timeout: 30_000 });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new UserError(
      `ssh-keygen failed: ${(stderr || message).trim()}.`,
      "Check that openssh-client is installed and that the folder of the key can be written.",
      { cause: error },
    );
  }
}
