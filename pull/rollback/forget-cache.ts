/**
 * After a rollback borg's caches know a later state than the repository's, and borg would take it for an attack ("replay"); after a job was
 * renamed, another address.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { connect } from "../../remote/connect.ts";
import { sshHost } from "../../remote/ssh.ts";
import { ReachError, UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { endpoint } from "../../schema/target.ts";
import type { Ledger } from "../ledger.ts";
import { clean } from "../lines.ts";

/** Removes borg's cache at home; as on the VPS, the nonce stays and the age of the list of archives is emptied. */
export function forgetCacheAtHome(repository: string): void {
  const base = path.join(homePaths().state, "borg");
  fs.rmSync(path.join(base, ".cache/borg", repository), { recursive: true, force: true });
  const age = path.join(base, ".config/borg/security", repository, "manifest-timestamp");
  if (fs.existsSync(age)) fs.truncateSync(age);
}

/**
 * Removes borg's cache on the VPS where a rollback has asked for it and could not do it, and gives it the job's new name. Needs the job's lock.
 * @throws ReachError, UserError: then it stays asked for
 */
export async function forgetCaches(job: JobFile, ledger: Ledger, signal?: AbortSignal): Promise<void> {
  const open = ledger
    .openOperations(job.job)
    .flatMap((each) => (each.kind === "forget-cache" || each.kind === "rename-cache" ? [each] : []));
  if (open.length === 0) return;
  // The homes that the helper gives to borg, one a privilege, and that of a person's borg.
  const cache = `/var/cache/${job.instance}`;
  const { home, attendedCache } = vpsPaths(job.instance);
  const folders = [home, `${cache}/read-all`, `${cache}/root`, attendedCache];
  try {
    await using connection = await connect(job.admin, signal ? { signal } : {});
    const host = sshHost(connection);
    for (const { number, repository, ...cache } of open) {
      const { code, stderr } =
        cache.kind === "forget-cache"
          ? await host.run("forget-cache", [repository, ...folders], { signal })
          : await host.run("rename-cache", [repository, cache.from, cache.to, ...folders], { signal });
      if (code !== 0)
        throw new UserError(`${clean(stderr.toString()) || `exit ${code}`}.`, "Look at that machine.");
      ledger.endOperation(number, "done");
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const renamed = open.some(({ kind }) => kind === "rename-cache");
    const problem = `borg's cache on ${endpoint(job.admin)} still knows ${renamed ? "the job's old name" : "what was rolled back, and could not be removed"}: ${error.problem}`;
    const remedy = `${error.remedy} It is tried again before every run${renamed ? "" : `, and by "borgpull rollback ${job.job}"`}.`;
    throw error instanceof ReachError
      ? new ReachError(error.failure, problem, remedy, { cause: error })
      : new UserError(problem, remedy, { cause: error });
  }
}
