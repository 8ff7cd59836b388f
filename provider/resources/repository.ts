import * as crypto from "node:crypto";
import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import * as z from "zod";
import { encryptionOf, initRepository, repositoryId } from "../../pull/borg.ts";
import { keyDigest } from "../../pull/key-export.ts";
import { digestOf, lostName, repositoryLost } from "../../pull/trust/config-file.ts";
import { replaceFile } from "../../remote/replace-file.ts";
import { UserError } from "../../schema/errors.ts";
import { type RepositoryInputs, repositoryInputs } from "../../schema/inputs.ts";
import { compare } from "../compare.ts";
import { type Context, type Kind, PartialFailure } from "../kind.ts";
import { mayTake } from "../owner.ts";
import { readableHere, requireHome } from "../place.ts";
import { untilPullsEnd } from "../vps-lock.ts";

interface RepositoryState extends RepositoryInputs {
  readonly repositoryId: string;
  /** Of the passphrase's file: 0600, or "absent". */
  readonly passphraseMode: string;
  /** The copy of the repository's config and key, made at init: "same", "differs" (somebody changed the key) or "absent". */
  readonly keyCopyState: string;
}

/** What home keeps of a repository outside of it; without an id from before `borg init` until after it. */
const record = z.object({ owner: z.string(), path: z.string(), id: z.string().optional() });
type Record = z.infer<typeof record>;

const recordFile = ({ keyCopy }: RepositoryInputs): string => path.join(keyCopy, "repository.json");

async function readRecord(inputs: RepositoryInputs): Promise<Record | undefined> {
  try {
    return record.parse(JSON.parse(await fs.readFile(recordFile(inputs), "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UserError(
      `${recordFile(inputs)} cannot be read: ${(error as Error).message}.`,
      "Restore it from a copy, or move it aside and set import: true.",
      { cause: error },
    );
  }
}

/** @param live what the state knows, on a machine that may have no record of it yet */
async function ensure(
  desired: RepositoryInputs,
  context: Context,
  live?: RepositoryState,
): Promise<RepositoryState> {
  requireHome(desired.home);
  if (desired.renamedFrom !== undefined) {
    const { renamedFrom: from, job: to, path: repository } = desired;
    const onWarning = (text: string) => context.warn(`${to}: ${text}`);
    const wait = untilPullsEnd(context);
    const { renameJob } = await import("../../pull/rename.ts");
    await renameJob({ from, to, repository, wait, signal: context.signal, onWarning });
  }
  const givenUp = existsSync(lostName(desired.keyCopy));
  const known =
    (await readRecord(desired)) ??
    (live && !givenUp ? { owner: live.owner, path: live.path, id: live.repositoryId } : undefined);
  if (known) mayTake(`The repository of ${desired.job}`, known.owner, desired.owner, false);
  const there = repositoryId(desired.path);
  const id = there ? await take(desired, known, there) : await make(desired, known);
  await replaceFile(
    recordFile(desired),
    `${JSON.stringify({ owner: desired.owner, path: desired.path, id }, null, 2)}\n`,
  );
  if ((await keyCopyState(desired)) === "absent") {
    await replaceFile(keyCopyFile(desired), await fs.readFile(path.join(desired.path, "config"), "utf8"));
  }
  await fs.chmod(desired.passphraseFile, 0o600);
  const state = {
    ...desired,
    repositoryId: id,
    passphraseMode: "0600",
    keyCopyState: await keyCopyState(desired),
  };
  if (state.keyCopyState === "same") return state;
  throw new PartialFailure(state, [
    `The config or key of ${desired.path} is not what it was when its copy was made. If you changed the key yourself, remove ${keyCopyFile(desired)} and run \`pulumi up\`; if not, the VPS did: put the copy back.`,
  ]);
}

const keyCopyFile = ({ keyCopy }: RepositoryInputs): string => path.join(keyCopy, "config");

async function keyCopyState(inputs: RepositoryInputs): Promise<"same" | "differs" | "absent"> {
  const [copy, config] = await Promise.all(
    [keyCopyFile(inputs), path.join(inputs.path, "config")].map((file) =>
      fs.readFile(file, "utf8").catch(() => undefined),
    ),
  );
  if (copy === undefined) return "absent";
  return config !== undefined && digestOf(copy) === digestOf(config) ? "same" : "differs";
}

/** A repository is there: it must be the one we know, one that we were just making, or one to import. */
async function take(desired: RepositoryInputs, known: Record | undefined, there: string): Promise<string> {
  if (known && (known.id === undefined || known.id === there)) return there;
  if (known) {
    throw new UserError(
      `${desired.path} holds another repository (${there.slice(0, 12)}...) than the one of ${desired.job} (${known.id?.slice(0, 12)}...).`,
      "Put the right one there, or give the job another `repository`.",
    );
  }
  if (desired.import && existsSync(desired.passphraseFile)) {
    await refuseUnreadable(desired);
    return there;
  }
  throw new UserError(
    `${desired.path} holds a borg repository that was not made by this stack.`,
    `To use it, put its passphrase into ${desired.passphraseFile} (0600) and set import: true; else give the job another \`repository\`.`,
  );
}

/** What is imported must be a repository that home and the VPS can both open, with the passphrase alone, and made as the job says. */
async function refuseUnreadable(desired: RepositoryInputs): Promise<void> {
  const { path: repository, passphraseFile, encryption } = desired;
  const config = await fs.readFile(path.join(repository, "config"), "utf8");
  if (keyDigest(config) === undefined) {
    throw new UserError(
      `${repository} has no key in it: it was made with encryption "keyfile" or "none", and the VPS would need a file of its own to open it.`,
      "borg cannot put the key into it afterwards: keep it as it is, for its old archives, and give the job another `repository`.",
    );
  }
  const made = await encryptionOf({ repository, passphraseFile });
  if (made === encryption) return;
  throw new UserError(
    `${repository} was made with encryption "${made}", not "${encryption}".`,
    `Set encryption: ${made} for ${desired.job}.`,
  );
}

/** Made beside its place and renamed: what has the name is complete. */
async function make(desired: RepositoryInputs, known: Record | undefined): Promise<string> {
  if (known?.id !== undefined) {
    throw new UserError(
      `The repository of ${desired.job} is not at ${desired.path}, and no empty one is made in its place.`,
      known.path === desired.path
        ? repositoryLost(desired.keyCopy)
        : `Move it there from ${known.path} and run "pulumi up" again.`,
    );
  }
  if ((await fs.readdir(desired.path).catch(() => [])).length > 0) {
    throw new UserError(
      `${desired.path} is not empty and holds no borg repository.`,
      "Give the job another `repository`.",
    );
  }
  await makePassphrase(desired.passphraseFile);
  await replaceFile(
    recordFile(desired),
    `${JSON.stringify({ owner: desired.owner, path: desired.path }, null, 2)}\n`,
  );
  const beside = `${desired.path}.new-${crypto.randomBytes(4).toString("hex")}`;
  const { encryption, passphraseFile } = desired;
  const { id } = await initRepository({ repository: beside, encryption, passphraseFile });
  await fs.rename(beside, desired.path);
  return id;
}

/** 256 bits of randomness, unless somebody has put a passphrase there. Whole or not at all, and never over one that is there. */
async function makePassphrase(file: string): Promise<void> {
  const made = `${file}.new-${crypto.randomBytes(4).toString("hex")}`;
  await replaceFile(made, `${crypto.randomBytes(32).toString("base64url")}\n`);
  try {
    await fs.link(made, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await fs.rm(made);
  }
}

async function modeOf(file: string): Promise<string> {
  const stat = await fs.stat(file).catch(() => undefined);
  return stat ? `0${(stat.mode & 0o777).toString(8).padStart(3, "0")}` : "absent";
}

const promises = { passphraseMode: "0600", keyCopyState: "same" } as const;

/** A borg repository at home with its passphrase, and a copy of its config and key outside of it. Never deleted by us. */
export const repository: Kind<RepositoryInputs, RepositoryState> = {
  inputs: repositoryInputs,
  computed: ["repositoryId", "passphraseMode", "keyCopyState"],
  promises,
  id: ({ job }) => job,
  diff: (live, desired) =>
    compare(live, { ...desired, ...promises }, [
      "job",
      "path",
      "encryption",
      "passphraseFile",
      "passphraseMode",
      "keyCopyState",
      "keyCopy",
      "home",
      "owner",
    ]),
  rehearse: async ({ home }) => requireHome(home),
  create: (desired, context) => ensure(desired, context),
  read: async (known, inputs, context) => {
    if (!(await readableHere(inputs.home, context))) return known;
    const id = repositoryId(inputs.path);
    if (id !== known.repositoryId) {
      throw new UserError(
        id
          ? `${inputs.path} now holds another repository (${id.slice(0, 12)}...).`
          : `There is no repository at ${inputs.path} any more.`,
        id ? "Put the right one there; nothing is made in its place." : repositoryLost(inputs.keyCopy),
      );
    }
    return {
      ...known,
      ...inputs,
      passphraseMode: await modeOf(inputs.passphraseFile),
      keyCopyState: await keyCopyState(inputs),
    };
  },
  update: async (live, desired, context) => {
    if (live.encryption !== desired.encryption) {
      throw new PartialFailure(live, [
        `The encryption of an existing repository cannot be changed (${live.encryption}). Set it back, or use another \`repository\`.`,
      ]);
    }
    const renamed = live.job !== desired.job && (await modeOf(live.passphraseFile)) !== "absent";
    if (!renamed && (await modeOf(desired.passphraseFile)) === "absent") {
      throw new PartialFailure(live, [
        `${desired.passphraseFile} is missing, and without it no archive of ${desired.job} can be read. Put the passphrase back.`,
      ]);
    }
    return ensure(desired, context, live);
  },
  remove: async (_known, inputs, context) => {
    requireHome(inputs.home);
    await context.warn(
      `The repository of ${inputs.job} stays at ${inputs.path}, its passphrase in ${inputs.passphraseFile}, its key in ${inputs.keyCopy}.`,
    );
  },
  leftovers: ({ path: folder }) => folder,
};
