import * as z from "zod";
import { absolutePath, instanceName, jobName, ownerId } from "./names.ts";
import { target } from "./target.ts";

const seconds = z.int().positive();

export const keep = z.strictObject({
  hourly: z.int().positive().optional(),
  daily: z.int().positive().optional(),
  weekly: z.int().positive().optional(),
  monthly: z.int().positive().optional(),
  yearly: z.int().positive().optional(),
});

/** The contract between `pulumi up` and everything that pulls: one JSON file a job, written by the first, read by the rest. */
export const jobFile = z.strictObject({
  version: z.literal(1),
  managedBy: z.literal("borgpull"),
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
  }),
});
export type JobFile = z.infer<typeof jobFile>;
