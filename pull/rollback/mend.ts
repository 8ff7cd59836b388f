import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import { freeStaleLock } from "../borg/lock.ts";
import { checkRepository, listArchives } from "../borg.ts";
import { clean } from "../lines.ts";
import type { Archive } from "../result.ts";
import { lastCommitted } from "../segments.ts";
import { forgetCacheAtHome } from "./forget-cache.ts";
import { repositoryOf, type Work } from "./look.ts";
import { moveAside } from "./move-aside.ts";
import { type Begun, type Mended, recordRollback } from "./record.ts";
import { holdRepository } from "./repository-lock.ts";

/**
 * Does what was recorded as begun, once more if it was done in part, lets borg check it, and records its end.
 * @throws UserError when it could not be done; it is to be done again then
 */
export async function mend(
  work: Work,
  begun: Begun,
  options: { readonly onStep?: (step: string) => void; readonly onProgress?: (share: number) => void },
): Promise<Mended> {
  const { job, id, signal } = work;
  const { repository, passphraseFile, limits } = job;
  const { onStep = () => {}, onProgress } = options;
  const { present, copy } = repositoryOf(job);
  const { segment } = begun;
  const aside = path.join(repository, begun.aside);
  const config = copy?.digest === present?.digest ? undefined : copy?.text;
  await freeStaleLock(repository, { waitSeconds: limits.lockWaitSeconds, signal });
  {
    using _held = holdRepository(repository);
    moveAside({ repository, segment, aside, config, onStep });
  }
  onStep("removing borg's cache at home");
  forgetCacheAtHome(id);
  onStep("checking the repository");
  const access = {
    repository,
    passphraseFile,
    lockWaitSeconds: limits.lockWaitSeconds,
    ...(signal ? { signal } : {}),
  };
  const amiss = await check({ ...access, ...(onProgress ? { onProgress } : {}) });
  const listed = await list(access, amiss !== undefined);
  if ((await lastCommitted(repository)) !== segment) {
    throw new UserError(
      `Something has written to ${repository} during the rollback.`,
      `End it, and run "borgpull rollback ${job.job}" again: it goes on where it was.`,
    );
  }
  onStep("recording it");
  return recordRollback(work, begun, { aside, amiss, listed });
}

/** @returns what is wrong, one sentence; a repository that borg cannot check to its end is not mended either */
async function check(options: Parameters<typeof checkRepository>[0]): Promise<string | undefined> {
  try {
    const found = await checkRepository(options);
    return found && `borg's check of the repository found: ${clean(found)}.`;
  } catch (error) {
    if (error instanceof UserError) return `borg could not check the repository: ${clean(error.problem)}`;
    throw error;
  }
}

/** @returns undefined when the check has found something, and the list cannot be read either */
async function list(
  access: Parameters<typeof listArchives>[0],
  amiss: boolean,
): Promise<readonly Archive[] | undefined> {
  try {
    return await listArchives({ ...access, checkpoints: true });
  } catch (error) {
    if (amiss && error instanceof UserError) return undefined;
    throw error;
  }
}
