import * as fs from "node:fs/promises";
import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { borgVersion } from "../borg.ts";
import { readPassphrase } from "../passphrase.ts";
import { bytes } from "../quantities.ts";
import type { Failure, FailureKind } from "../result.ts";

/** What a run needs at home before it connects to anything: the passphrase, room. What is missing is why it failed, on record and told as any other. */
export async function readyAtHome(job: JobFile): Promise<{ readonly passphrase: string } | Failure> {
  return orMissing("passphrase-missing", async () => {
    const passphrase = readPassphrase(job.passphraseFile);
    return (await lackOfRoom(job)) ?? { passphrase };
  });
}

/** Whether there is a borg at home that borgpull works with: to ask it takes as long as half of connecting. */
export async function lackOfBorg(): Promise<Failure | undefined> {
  return orMissing("no-borg", async () => {
    await borgVersion();
    return undefined;
  });
}

async function orMissing<T>(kind: FailureKind, look: () => Promise<T>): Promise<T | Failure> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { kind, problem: error.problem, remedy: error.remedy };
  }
}

/**
 * Less is free on the repository's file system than limits.freeBytes: borg's own cache and home's records grow with a run too, and one
 * that stops in its middle for want of room has moved its data for nothing.
 */
async function lackOfRoom({ job, repository, limits }: JobFile): Promise<Failure | undefined> {
  const { freeBytes: asked = 0 } = limits;
  const free = await freeBytes(repository);
  if (free === undefined || free >= asked) return undefined;
  return {
    kind: "disk-full-home",
    problem: `Only ${bytes(free)} are free on the disk of ${repository}; a run begins with at least ${bytes(asked)}.`,
    remedy: `Make room there ("borgpull prune ${job}" and then "borgpull compact ${job}" remove what keep does not keep), or lower limits.free.`,
  };
}

/** As much as this user may still write; undefined when it cannot be told, which the gate has the words for. */
async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await fs.statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
