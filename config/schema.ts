/** options.ts as zod checks it: one value at a time. What several values decide together is in host.ts, job.ts and config.ts. */
import * as z from "zod";
import { keep } from "../schema/job-file.ts";
import { absolutePath, instanceName, jobName } from "../schema/names.ts";
import { channels } from "../schema/notify.ts";
import { durationSeconds } from "./duration.ts";
import { publicKeyOf } from "./host-key.ts";
import type { HostOptions, JobOptions } from "./options.ts";
import { sizeBytes } from "./size.ts";
import { checkExtra } from "./sshd.ts";

const duration = z
  .string("a duration such as 36h")
  .refine((text) => durationSeconds(text) !== undefined, "a duration such as 36h, 30m, 7d or 1d12h");
const size = z
  .string("a size such as 500GB")
  .refine((text) => sizeBytes(text) !== undefined, "a size such as 500GB, 80MB or 1.5TB");
/** A path in a pattern file or a job file: borg strips blanks at its ends, and `..` would mean another path to each reader. */
const plainPath = absolutePath
  .refine((path) => path === path.trim(), "a path without blanks at its ends")
  .refine(
    (path) => !path.split("/").some((part) => part === "." || part === ".."),
    "a path without . and ..",
  );
const file = z.string().regex(/^(\/|~\/)[^\0\r\n]*$/, "an absolute path, or one beginning with ~/");
const unixName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, "a Unix account's name");
const oneLine = z.string().regex(/^\S([^\0\r\n]*\S)?$/, "one line of text without blanks at its ends");
const compression = z
  .string()
  .regex(
    /^(auto,)?(none|lz4|zstd(,([1-9]|1[0-9]|2[0-2]))?|zlib(,[0-9])?|lzma(,[0-9])?)$/,
    "one of borg's: none, lz4, zstd[,1-22], zlib[,0-9], lzma[,0-9], each also after auto,",
  );
/** One pattern of `from=`. No host name: sshd looks none up (UseDNS no), so the key would be good from nowhere. */
const origin = z
  .string()
  .regex(
    /^!?[0-9A-Fa-f.:*?]+(\/[0-9]{1,3})?$/,
    "an address or a network, such as 192.0.2.7 or 2001:db8::/32",
  );
const hostKey = z
  .string()
  .refine(
    (text) => publicKeyOf(text) !== undefined,
    'a public key, type and base64 such as "ssh-ed25519 AAAA..."',
  );
const sshdExtra = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  .superRefine((extra, context) => {
    for (const { path, ...params } of checkExtra(extra))
      context.addIssue({ code: "custom", path: [path], params });
  });
const command = z.string().regex(/^[^\0]*\S[^\0]*$/, "a shell command");
const hook = z.strictObject({ user: unixName, run: command, timeout: duration.optional() });
const hookAtHome = z.strictObject({ run: command, timeout: duration.optional() });
const hooks = z.strictObject({
  before: hook.optional(),
  after: hook.optional(),
  onError: hook.optional(),
  atHome: z
    .strictObject({
      before: hookAtHome.optional(),
      after: hookAtHome.optional(),
      onError: hookAtHome.optional(),
    })
    .optional(),
});
const dumps = z.record(
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "a file name of letters, digits and . _ -"),
  z.strictObject({ user: unixName, run: command }),
);
const often = z
  .string('a duration such as 4w, or "never"')
  .refine(
    (text) => text === "never" || durationSeconds(text) !== undefined,
    'a duration such as 4w, or "never"',
  );
const care = z.strictObject(
  z
    .object({
      prune: often,
      compact: often,
      checkRepository: often,
      checkArchives: often,
      checkData: often,
      proof: often,
    })
    .partial().shape,
);

const login = {
  user: z.string().regex(/^[A-Za-z_][A-Za-z0-9._-]{0,31}$/, "a Unix account's name"),
  port: z.int().min(1).max(65535),
  identity: z.string().regex(/^(agent$|\/|~\/)[^\0\r\n]*$/, '"agent", or the path of a private key'),
  knownHosts: file,
};
const ownLogin = {
  address: z
    .string("a host name or an address")
    .regex(/^[A-Za-z0-9._:][A-Za-z0-9._:-]*$/, "a host name or an address"),
  hostKey: z
    .union(
      [hostKey, z.array(hostKey).min(1)],
      'a public key, type and base64 such as "ssh-ed25519 AAAA...", or a list of them',
    )
    .optional(),
};
const jump = z.strictObject({ ...ownLogin, ...z.object(login).partial().shape });

/** Options of a host that all hosts of a stack may share. */
const sharedHostOptions = z
  .object({
    ...login,
    jump,
    privilege: z.enum(["read-all", "user", "root"]),
    packages: z.enum(["install", "none"]),
    sshd: z.strictObject({
      extra: sshdExtra.optional(),
    }),
  })
  .partial();

export const hostOptions = z.strictObject({
  ...ownLogin,
  ...sharedHostOptions.shape,
  instance: instanceName.optional(),
  adopt: z.boolean().optional(),
});

/** Options of a job that all jobs of a host or of a stack may share. */
export const jobDefaults = z.strictObject(
  z
    .object({
      exclude: z.array(oneLine, "a list of patterns"),
      compression,
      oneFileSystem: z.boolean(),
      hooks,
      dumps,
      encryption: z.enum(["repokey-blake2", "repokey", "authenticated-blake2", "authenticated"]),
      import: z.boolean(),
      schedule: oneLine,
      randomizedDelay: duration,
      maxParallel: z.int().min(1).max(1000),
      care,
      notify: channels,
      keep: keep.refine(
        (kinds) => Object.keys(kinds).length > 0,
        "at least one of hourly, daily, weekly, monthly, yearly",
      ),
      staleAfter: duration,
      pull: z.enum(["stale", "always", "never"]),
      audit: z.boolean(),
      pullKeyGeneration: z.int().min(1).max(1_000_000),
      limits: z.strictObject(
        z
          .object({
            total: duration,
            stall: duration,
            lockWait: duration,
            quota: size,
            free: size,
            retries: z.int().min(0).max(20),
            retryWait: duration,
          })
          .partial().shape,
      ),
      from: z.union([origin, z.array(origin).min(1)], "an address or a network, or a list of them"),
      expiry: z.iso.date('a day such as "2030-12-31", in quotes'),
    })
    .partial().shape,
);

export const jobOptions = z.strictObject({
  paths: z.array(plainPath, "a list of absolute paths").min(1),
  repository: plainPath.optional(),
  renamedFrom: jobName.optional(),
  ...jobDefaults.shape,
});

/** `borgpull:defaults`. */
export const stackDefaults = z.strictObject({ ...sharedHostOptions.shape, ...jobDefaults.shape });

/** One entry of `borgpull:hosts`: a host and its one job, or `jobs` with what they share. */
export const hostEntry = z.strictObject({
  ...hostOptions.shape,
  ...jobOptions.partial().shape,
  jobs: z.record(z.string(), jobOptions).optional(),
});

/** The stack's config as a whole; `hosts` are checked one by one, so that one wrong host hides no mistake of another. */
export const stackConfig = z.strictObject({
  repositories: plainPath.optional(),
  defaults: stackDefaults.optional(),
  hosts: z.record(z.string(), z.unknown()),
  instance: instanceName.optional(),
  metrics: plainPath.optional(),
});

export type HostEntry = z.infer<typeof hostEntry>;
export type StackDefaults = z.infer<typeof stackDefaults>;

/** What a person reads in options.ts is what is checked here: the compiler compares names and values. */
type Same<A, B> = [A, B] extends [B, A] ? true : false;
true satisfies Same<keyof HostOptions, keyof typeof hostOptions.shape>;
true satisfies Same<keyof JobOptions, keyof typeof jobOptions.shape>;
hostOptions satisfies z.ZodType<HostOptions>;
jobOptions satisfies z.ZodType<JobOptions>;
