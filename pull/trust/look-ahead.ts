import type { JobFile } from "../../schema/job-file.ts";
import { checkArchive, freeStaleLock, listArchives } from "../borg.ts";
import type { Ledger } from "../ledger.ts";
import type { Archive } from "../result.ts";
import { countObjects } from "../rpc/existing.ts";
import { lastCommitted } from "../segments.ts";
import { readConfig, readConfigCopy } from "./config-file.ts";

/** What the gate after a session asks borg at home, asked before it knows anything else. */
export interface Ahead extends AsyncDisposable {
  /** The last committed segment then. */
  readonly segment: number;
  /** The name of the run's own archive. */
  readonly archive: string;
  /** Checkpoints too. @throws as listArchives */
  listed(): Promise<readonly Archive[]>;
  /** As checkArchive: of what is not there, it says anything. */
  checked(): Promise<string | undefined>;
}

/**
 * Has borg list the archives and check the run's own one, both at once, while the VPS still finishes: what the served session has written
 * is at rest. Nothing is believed or recorded for it; that is the gate's, once it has looked at everything. Needs the job's lock.
 * @returns undefined where nothing was written, or where one of both would have to put the repository in order first
 */
export async function lookAhead(job: JobFile, run: string, ledger: Ledger): Promise<Ahead | undefined> {
  const { repository, passphraseFile, limits } = job;
  const config = readConfig(repository, job.job);
  const mark = ledger.mark(config.id);
  const segment = await lastCommitted(repository);
  const same = config.digest === mark?.config && config.digest === readConfigCopy(job.job)?.digest;
  if (!same || segment === undefined || segment === mark?.segment) return undefined;
  if ((await countObjects(repository, segment)) === undefined) return undefined;
  await freeStaleLock(repository, { waitSeconds: 0 });
  const over = new AbortController();
  const access = { repository, passphraseFile, lockWaitSeconds: limits.lockWaitSeconds, signal: over.signal };
  const archive = `${job.job}-${run}`;
  // Nobody else is at the repository, and the check, which takes the lock, changes nothing of what the list reads.
  const list = listArchives({ ...access, checkpoints: true, bypassLock: true });
  const check = checkArchive({ ...access, archive });
  for (const each of [list, check]) each.catch(() => {}); // told to whoever asks
  return {
    segment,
    archive,
    listed: () => list,
    checked: () => check,
    [Symbol.asyncDispose]: async () => {
      over.abort(new Error("not needed any more"));
      await Promise.allSettled([list, check]);
    },
  };
}
