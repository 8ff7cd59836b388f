/** An archive as a folder to look into: borg's own file system, in the foreground. */
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { borg, refused } from "./borg/command.ts";
import { archiveWord } from "./borg/contents.ts";
import { clean } from "./lines.ts";
import { readPassphrase } from "./passphrase.ts";

/** A timer of Node takes no more than 24.8 days. */
const longestSeconds = 24 * 24 * 3600;
/** borg has this long to end once nothing is mounted any more. */
const endingMilliseconds = 2000;

/**
 * Mounts an archive, for this user alone, read-only, without devices or set-user-ID; until the signal comes, or until somebody unmounts
 * it. borg reads from the repository all the time: the job's lock is held by the caller.
 * @param options.folder made when it is missing, and removed again then
 * @param options.onMounted called once
 * @throws UserError when borg cannot mount it
 */
export async function mount(options: {
  readonly job: JobFile;
  readonly archive: string;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onMounted: () => void;
}): Promise<void> {
  const { job, archive, signal, onMounted } = options;
  const folder = asKernel(options.folder);
  await unmountDead(folder);
  const made = makeFolder(folder);
  const cut = new AbortController();
  const over = new AbortController();
  const passphrase = readPassphrase(job.passphraseFile);
  const mounting = borg(
    [
      ...["--log-json", "--lock-wait", String(job.limits.lockWaitSeconds)],
      ...["mount", "--foreground", "-o", "nosuid,nodev"],
      ...[`${job.repository}::${archiveWord(archive)}`, folder],
    ],
    // Nothing of it is to go on holding the repository's lock when we are killed.
    { passphrase, timeoutSeconds: longestSeconds, signal: cut.signal, writes: true },
  ).finally(() => over.abort());
  const watching = watch(folder, { signal, over: over.signal, cut, onMounted });
  try {
    const result = await mounting.catch((error) => {
      if (cut.signal.aborted) return undefined;
      throw error;
    });
    await watching;
    if (!result || result.code === 0 || signal.aborted) return;
    if (/no FUSE support|No module named '?(llfuse|pyfuse3)/.test(result.stderr)) throw withoutFuse();
    if (/fusermount|\/dev\/fuse|fuse: device not found/.test(result.stderr)) throw withoutFuse();
    throw refused("mount", job.repository, result);
  } finally {
    await unmountDead(folder);
    if (made) removeIfEmpty(folder);
  }
}

/** Says when it is mounted, and unmounts when it is to end. */
async function watch(
  folder: string,
  options: {
    readonly signal: AbortSignal;
    readonly over: AbortSignal;
    readonly cut: AbortController;
    readonly onMounted: () => void;
  },
): Promise<void> {
  const { signal, over, cut, onMounted } = options;
  const either = AbortSignal.any([signal, over]);
  const rest = async (milliseconds: number, until: AbortSignal) =>
    wait(milliseconds, undefined, { signal: until }).catch(() => {});
  while (!either.aborted && !isMounted(folder)) await rest(100, either);
  if (!either.aborted) onMounted();
  while (!either.aborted) await rest(3600_000, either);
  if (over.aborted) return;
  // borg, too, gets a Ctrl-C of the terminal, and may have done it already.
  await unmount(folder);
  await rest(endingMilliseconds, over);
  cut.abort();
}

/** As the kernel lists it: without links on the way. The folder itself may be absent, or what a dead borg has left. */
function asKernel(folder: string): string {
  const at = path.resolve(folder);
  try {
    return fs.realpathSync(at);
  } catch {
    const above = path.dirname(at);
    return above === at ? at : path.join(asKernel(above), path.basename(at));
  }
}

function makeFolder(folder: string): boolean {
  if (fs.existsSync(folder)) {
    if (fs.statSync(folder).isDirectory() && fs.readdirSync(folder).length === 0) return false;
    throw new UserError(`${folder} is not an empty folder.`, "Give one that is empty or absent.");
  }
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  return true;
}

function removeIfEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder);
  } catch {
    // something is in it, or in the way
  }
}

/** Whether borg's file system is at a folder, as the kernel lists it. */
export function isMounted(folder: string): boolean {
  const at = path.resolve(folder);
  return fs
    .readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .some((fields) => {
      const place = fields[4]?.replace(/\\([0-7]{3})/g, (_, digits) =>
        String.fromCharCode(Number.parseInt(digits, 8)),
      );
      return place === at && fields.includes("borgfs");
    });
}

/** Also while somebody still looks into it: for that one it stays until then, without its files. */
async function unmount(folder: string): Promise<void> {
  for (const argv of [
    ["fusermount3", "-u", "-z"],
    ["fusermount", "-u", "-z"],
    ["umount", "-l"],
  ]) {
    if (!isMounted(folder)) return;
    const [program, ...words] = argv as [string, ...string[]];
    await promisify(execFile)(program, [...words, "--", folder]).catch(() => {});
  }
}

/** What a borg that was killed has left in the folder. */
async function unmountDead(folder: string): Promise<void> {
  if (!isMounted(folder)) return;
  try {
    fs.statSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTCONN") return unmount(folder);
  }
  throw new UserError(
    `An archive is mounted at ${clean(folder)} already.`,
    `Unmount it: fusermount3 -u ${clean(folder)}`,
  );
}

const withoutFuse = () =>
  new UserError(
    "borg cannot mount on this machine: FUSE or borg's library for it is missing.",
    "Install them: apt install fuse3 python3-pyfuse3 (or python3-llfuse)",
  );
