import * as fs from "node:fs/promises";
import { makeIdentity, moveIdentity, readIdentity, retireIdentity } from "../../remote/identity.ts";
import { replaceFile } from "../../remote/replace-file.ts";
import { type SshIdentityInputs, sshIdentityInputs } from "../../schema/inputs.ts";
import { compare } from "../compare.ts";
import type { Kind } from "../kind.ts";
import { mayTake } from "../owner.ts";
import { readableHere, requireHome } from "../place.ts";

interface SshIdentityState extends SshIdentityInputs {
  /** Type and base64, no comment. */
  readonly publicKey: string;
  readonly fingerprint: string;
  /** Of the private key. */
  readonly mode: string;
}

const ownerOf = (comment: string): string | undefined => /^borgpull (\S+)/.exec(comment)?.[1];

/** @param known where the state knows it; a key that is to be elsewhere is moved, not made anew */
async function ensure(desired: SshIdentityInputs, known?: string): Promise<SshIdentityState> {
  requireHome(desired.home);
  const { path, comment } = desired;
  if (known !== undefined && known !== path) await moveIdentity(known, path);
  const recorded = known !== undefined;
  const now = await readIdentity(path);
  if (now.kind === "absent") await makeIdentity(path, comment);
  else mayTake(path, ownerOf(now.comment), desired.owner, recorded);
  await fs.chmod(path, 0o600);
  const made = await readIdentity(path);
  if (made.kind === "absent") throw new Error(`${path} vanished`);
  await replaceFile(`${path}.pub`, `${made.publicKey} ${made.comment}\n`);
  return { ...desired, publicKey: made.publicKey, fingerprint: made.fingerprint, mode: made.mode };
}

/** The pull key of a job, made at home and never leaving it; on delete it is moved aside, not removed. */
export const sshIdentity: Kind<SshIdentityInputs, SshIdentityState> = {
  inputs: sshIdentityInputs,
  computed: ["publicKey", "fingerprint", "mode"],
  promises: { mode: "0600" },
  id: ({ path }) => path,
  diff: (live, desired) => compare(live, { ...desired, mode: "0600" }, ["path", "mode", "home", "owner"]),
  rehearse: async ({ home }) => requireHome(home),
  create: (desired) => ensure(desired),
  read: async (known, inputs, context) => {
    if (!(await readableHere(inputs.home, context))) return known;
    const now = await readIdentity(inputs.path);
    if (now.kind === "absent") return undefined;
    return { ...known, ...inputs, publicKey: now.publicKey, fingerprint: now.fingerprint, mode: now.mode };
  },
  update: (live, desired) => ensure(desired, live.path),
  remove: async (_known, inputs, context) => {
    requireHome(inputs.home);
    if ((await readIdentity(inputs.path)).kind === "absent") return;
    await context.warn(`The pull key was moved aside, to ${await retireIdentity(inputs.path)}.`);
  },
  leftovers: ({ path }) => path,
};
