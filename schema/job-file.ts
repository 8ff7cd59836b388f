import * as z from "zod";
import { absolutePath, instanceName, jobName, ownerId } from "./names.ts";
import { channels } from "./notify.ts";
import { target } from "./target.ts";

const seconds = z.int().positive();

export const keep = z.strictObject({
  hourly: z.int().positive().optional(),
  daily: z.int().positive().optional(),
  weekly: z.int().positive().optional(),
  monthly: z.int().positive().optional(),
  yearly: z.int().positive().optional(),
});

/** How often home does what to a repository, in seconds; left out: never. */
export const care = z.strictObject({
  prune: seconds.optional(),
  compact: seconds.optional(),
  checkRepository: seconds.optional(),
  checkArchives: seconds.optional(),
  checkData: seconds.optional(),
  proof: seconds.optional(),
});

/** A command at home, run by /bin/sh as the user who runs borgpull. */
const hookAtHome = z.strictObject({ run: z.string().min(1), timeoutSeconds: seconds });

/** The contract between `pulumi up` and everything that pulls: one JSON file a job, written by the first, read by the rest. */
export const jobFile = z.strictObject({
  version: z.literal(1),
  managedBy: z.literal("borgpull"),
  /** The borgpull that wrote it, which is also what it put on the VPS. */
  program: z.string().optional(),
  owner: ownerId,
  job: jobName,
  /** The instance on the VPS: its account is the login of the pull, `/run/<instance>` holds the socket. */
  instance: instanceName,
  /** How the pull logs in: user = the instance's account, auth = path of the job's pull key. */
  pull: target,
  /** How an administrator logs in (restore, forward); user root or any with `sudo -n`. */
  admin: target,
  /** Folder of the borg repository, on the machine at home. */
  repository: absolutePath,
  passphraseFile: absolutePath,
  keep: keep.optional(),
  care: care.optional(),
  /** OnCalendar of the timer at home; without it there is none. */
  schedule: z.string().optional(),
  notify: channels.optional(),
  hooksAtHome: z
    .strictObject({
      before: hookAtHome.optional(),
      after: hookAtHome.optional(),
      onError: hookAtHome.optional(),
    })
    .optional(),
  /** Runs of all jobs of home that may be under way at once, as far as this one is concerned; left out: 4. */
  maxParallel: z.int().positive().optional(),
  /** A last good backup older than this is stale. */
  staleAfterSeconds: seconds,
  limits: z.strictObject({
    /** The whole run, from connecting to borgctl's end. */
    totalSeconds: seconds,
    /** No byte and no line from the VPS for this long ends the run. */
    stallSeconds: seconds,
    /** How long borg waits for the repository's lock. */
    lockWaitSeconds: seconds,
    /** The repository may not grow beyond this. */
    quotaBytes: z.int().positive().optional(),
    /** A run does not begin with less free on the repository's file system. */
    freeBytes: z.int().nonnegative().optional(),
    /** How often a run is tried again when the VPS cannot be reached; left out: never. */
    retries: z.int().nonnegative().optional(),
    /** Before the first of these tries, twice as long before each next one; left out: 60. */
    retryWaitSeconds: seconds.optional(),
  }),
});
export type JobFile = z.infer<typeof jobFile>;
