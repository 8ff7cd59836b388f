/** Locks that a dead borg has left. borg breaks those itself, unless the dead one's pid is another process's by now. */
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { UserError } from "../../schema/errors.ts";
import { homePaths } from "../../schema/paths.ts";
import { borg, hostId, refused } from "./command.ts";
import { repositoryId } from "./init.ts";

/** One entry of a lock, as borg names it: `<host>.<pid>-<thread>`. */
export interface Holder {
  readonly host: string;
  readonly pid: number;
}

/** A borg holds the repository that is not ours to end. */
export class RepositoryLockedError extends UserError {
  override readonly name = "RepositoryLockedError";
}

const pauseMilliseconds = 250;

/**
 * Returns when no borg works on a repository any more. A living one is waited for: it may be what a killed run has left, and what it
 * still writes belongs to that run. Locks that only dead borgs of ours hold are broken, in home's cache too: borg takes a lock
 * for alive as long as there is any process with its pid. Needs the job's lock: then no other borg of ours begins.
 * @throws RepositoryLockedError when somebody's lock is still there after the wait
 */
export async function freeStaleLock(
  repository: string,
  options: { readonly waitSeconds: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const end = Date.now() + options.waitSeconds * 1000;
  const signal = options.signal ? { signal: options.signal } : {};
  for (;;) {
    const lock = judgeLock(lockHolders(repository), { host: hostId(), isBorg });
    if (lock.kind === "free") return;
    if (lock.kind === "stale") {
      const result = await borg(["break-lock", repository], signal);
      if (result.code !== 0) throw refused("break-lock", repository, result);
      return;
    }
    if (Date.now() >= end) throw lockedBy(repository, lock.holder, hostId());
    await wait(pauseMilliseconds, undefined, signal);
  }
}

/** Whether a lock is held: by a living borg of ours, or by anything of another name, of which home cannot know. */
export function judgeLock(
  holders: readonly Holder[],
  { host, isBorg }: { readonly host: string; readonly isBorg: (pid: number) => boolean },
):
  | { readonly kind: "free" }
  | { readonly kind: "stale" }
  | { readonly kind: "held"; readonly holder: Holder } {
  const holder = holders.find((holder) => holder.host !== host || isBorg(holder.pid));
  if (holder) return { kind: "held", holder };
  return { kind: holders.length > 0 ? "stale" : "free" };
}

/** Who holds the locks of a repository and of home's cache of it, exclusively or shared (borg's locking.py). */
export function lockHolders(repository: string): readonly Holder[] {
  const id = repositoryId(repository);
  const cache = id === undefined ? [] : [path.join(homePaths().state, "borg/.cache/borg", id)];
  return [repository, ...cache].flatMap((folder) => [
    ...exclusive(path.join(folder, "lock.exclusive")),
    ...shared(path.join(folder, "lock.roster")),
  ]);
}

function exclusive(folder: string): readonly Holder[] {
  return namesIn(folder).flatMap((name) => {
    const [, host, pid] = /^(.+)\.(\d+)-[0-9a-f]+$/.exec(name) ?? [];
    return host ? [{ host, pid: Number(pid) }] : [];
  });
}

function shared(file: string): readonly Holder[] {
  try {
    const roster = JSON.parse(fs.readFileSync(file, "utf8")) as Record<string, readonly unknown[]>;
    return Object.values(roster)
      .flat()
      .flatMap((entry) => {
        const [host, pid] = Array.isArray(entry) ? (entry as unknown[]) : [];
        return typeof host === "string" && typeof pid === "number" ? [{ host, pid }] : [];
      });
  } catch {
    return []; // none, or being written; a damaged one is none to borg too
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

/** Whether a process is a borg: the standalone program, or Python that runs it. */
export function isBorg(pid: number): boolean {
  try {
    const words = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, 4);
    return words.some((word) => /^borg(backup)?([-.].*)?$/.test(path.basename(word)));
  } catch {
    return false; // it has ended
  }
}

const lockedBy = (repository: string, { host, pid }: Holder, ours: string): RepositoryLockedError =>
  host === ours
    ? new RepositoryLockedError(
        `${repository} is locked by borg, process ${pid} of this machine.`,
        "Wait until it has ended, or end it.",
      )
    : new RepositoryLockedError(
        `${repository} is locked by process ${pid} of ${host}, a borg that borgpull did not start.`,
        `Wait until it has ended; if there is no such process, run: borg break-lock ${repository}`,
      );
