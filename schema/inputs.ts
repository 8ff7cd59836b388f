/**
 * The inputs of every resource kind: what the components declare and the provider takes. One schema serves both.
 * `connection` makes no diff by address, user or port, but for the preflight's, which tries it; its `hostKeys` do everywhere.
 */
import * as z from "zod";
import { absolutePath, instanceName, jobName, ownerId, publicKey } from "./names.ts";
import { target } from "./target.ts";

const mode = z.string().regex(/^0[0-7]{3}$/, 'four octal digits, such as "0644"');
const unixName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.@-]*$/, "a Unix account's or group's name");
const argv = z.array(z.string().min(1)).min(1);
/** `<machine id>/<uid>` of the machine at home, from the Home resource. */
const home = z.string().min(1);

/** The instance that a thing on a VPS belongs to: whoever reads one of its things reads the others along. */
const instance = instanceName.optional();

const onVps = { connection: target, owner: ownerId, instance };
const atHome = { home, owner: ownerId };
/** Exactly one of the two: on a VPS, or on the machine at home. */
const either = { connection: target.optional(), home: home.optional(), owner: ownerId, instance };
/** The file that a pull holds locked while it runs on the VPS: nothing is changed under it. */
const lock = absolutePath.optional();
const inOnePlace = (inputs: { readonly connection?: unknown; readonly home?: unknown }): boolean =>
  (inputs.connection === undefined) !== (inputs.home === undefined);
/** Take over a thing that borgpull did not make. */
const adopt = z.boolean().optional();

export const homeInputs = z.strictObject({ owner: ownerId });

export const programInputs = z.strictObject(atHome);

/** The drop-in as it would be, so that what stands in its way is named before anything is written. */
const dropIn = {
  path: absolutePath,
  content: z.string(),
  /** The account that the Match block is for. */
  user: unixName,
  /** sshd keyword -> value that must be in force for that account. */
  settings: z.record(z.string(), z.string()),
};

export const preflightInputs = z.strictObject({
  ...onVps,
  /** The private keys that the config names, as it names them; without a name each machine logs in with its own. */
  identities: z.strictObject({ host: z.string().optional(), jump: z.string().optional() }),
  privilege: z.enum(["read-all", "user", "root"]),
  dropIn: z.strictObject(dropIn),
});

export const hostUserInputs = z.strictObject({
  ...onVps,
  adopt,
  name: instanceName,
  folder: absolutePath,
  shell: absolutePath,
});

export const hostFileInputs = z
  .strictObject({
    ...either,
    adopt,
    path: absolutePath,
    content: z.string(),
    mode,
    user: unixName,
    group: unixName,
    /** Run with the candidate's path in place of `%s` before it is put in place; non-zero refuses it. */
    validate: argv.optional(),
    /** Run after the file is in place, and after its removal. */
    activate: argv.optional(),
    /** A folder that the activation makes: checked on every read, repaired by activating again. */
    folder: z
      .strictObject({
        path: absolutePath,
        mode,
        user: unixName,
        group: unixName,
        /** Files that it makes besides: path -> "mode user:group". */
        files: z.record(z.string(), z.string()).optional(),
      })
      .optional(),
    /** A folder of ours above the file: made with the first file in it, removed with the last. */
    within: absolutePath.optional(),
    lock,
  })
  .refine(inOnePlace, { message: "either connection or home, not both" });

export const sshdDropInInputs = z.strictObject({ ...onVps, adopt, lock, ...dropIn });

export const authorizedKeyInputs = z.strictObject({
  ...onVps,
  /** A key file of ours, root's and world-readable. */
  path: absolutePath,
  publicKey,
  /** Option -> value; "" for an option without one. In the order written. */
  options: z.record(z.string(), z.string()),
  command: z.string(),
  comment: z.string().regex(/^[^\r\n]*$/),
  /** Prove the line by `probe` with the pull key; done at home only. */
  proof: z
    .strictObject({ home, account: unixName, instance: instanceName, identityFile: absolutePath })
    .optional(),
});

export const systemdUnitInputs = z
  .strictObject({
    ...either,
    adopt,
    /** "none": systemd does not run there, and nothing is written. */
    manager: z.enum(["system", "user", "none"]),
    /** Such as "borgpull-web1.timer". */
    name: z.string().regex(/^[A-Za-z0-9:_.@-]+\.(service|timer|path|socket|target)$/),
    content: z.string(),
    enabled: z.boolean(),
    active: z.boolean(),
  })
  .refine(inOnePlace, { message: "either connection or home, not both" });

export const sshIdentityInputs = z.strictObject({ ...atHome, path: absolutePath, comment: z.string() });

export const repositoryInputs = z.strictObject({
  ...atHome,
  job: jobName,
  path: absolutePath,
  encryption: z.enum(["repokey-blake2", "repokey", "authenticated-blake2", "authenticated"]),
  passphraseFile: absolutePath,
  /** Where the copy of the repository's config and key is kept, outside the repository. */
  keyCopy: absolutePath,
  /** Take over a repository that borgpull did not make. */
  import: z.boolean().optional(),
  /** The job's name before: what home has under it is this job's. */
  renamedFrom: jobName.optional(),
});

export const pullInputs = z.strictObject({
  ...atHome,
  job: jobName,
  jobFile: absolutePath,
  /** "stale": when no good backup is younger than staleAfterSeconds; "always": on every `up`. */
  pull: z.enum(["stale", "always", "never"]),
  staleAfterSeconds: z.int().positive(),
});

export const auditInputs = z.strictObject({
  ...atHome,
  job: jobName,
  jobFile: absolutePath,
  /** A hash of what decides what the pull key can do: when it changes, the key is audited again. */
  of: z.string().min(1),
});

export type HomeInputs = z.infer<typeof homeInputs>;
export type ProgramInputs = z.infer<typeof programInputs>;
export type PreflightInputs = z.infer<typeof preflightInputs>;
export type HostUserInputs = z.infer<typeof hostUserInputs>;
export type HostFileInputs = z.infer<typeof hostFileInputs>;
export type SshdDropInInputs = z.infer<typeof sshdDropInInputs>;
export type AuthorizedKeyInputs = z.infer<typeof authorizedKeyInputs>;
export type SystemdUnitInputs = z.infer<typeof systemdUnitInputs>;
export type SshIdentityInputs = z.infer<typeof sshIdentityInputs>;
export type RepositoryInputs = z.infer<typeof repositoryInputs>;
export type PullInputs = z.infer<typeof pullInputs>;
export type AuditInputs = z.infer<typeof auditInputs>;
