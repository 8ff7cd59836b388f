/** The repository's config file, which holds its key: the copy that home keeps outside of it is what it must be. */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import { homePaths } from "../../schema/paths.ts";
import { idInConfig } from "../borg.ts";
import { readIfThere } from "../read-if-there.ts";

export interface ConfigFile {
  readonly text: string;
  /** sha256 of what of it must not change, hexadecimal. */
  readonly digest: string;
  /** The repository's id, 64 hexadecimal digits. */
  readonly id: string;
}

/** What the folder with home's copy of a job's key is called once a person has given the repository up. */
export const lostName = (keyCopy: string): string => `${keyCopy}.lost`;

/**
 * What to do where a repository is missing: `pulumi up` makes no empty one in the place of one that home knows.
 * @param keyCopy the folder with home's copy of its key
 */
export function repositoryLost(keyCopy = homePaths().keyCopy("JOB")): string {
  const name = path.basename(keyCopy);
  return `Mount its disk. If it is truly lost, rename ${keyCopy} to ${lostName(name)} and run "pulumi up", which then makes a new one.`;
}

/** No repository is where the job says. */
export class RepositoryMissingError extends UserError {
  override readonly name = "RepositoryMissingError";
}

/** The config as it is in the repository. @param job for the error alone @throws RepositoryMissingError */
export function readConfig(repository: string, job = "JOB"): ConfigFile {
  const file = path.join(repository, "config");
  const text = readIfThere(file);
  const id = text === undefined ? undefined : idInConfig(text);
  if (text === undefined || id === undefined) {
    throw new RepositoryMissingError(
      `There is no borg repository at ${repository}.`,
      repositoryLost(homePaths().keyCopy(job)),
    );
  }
  return { text, id, digest: digestOf(text) };
}

/** The copy outside of the repository, made at init; undefined where there is none. */
export function readConfigCopy(job: string): ConfigFile | undefined {
  const text = readIfThere(configCopy(job));
  const id = text === undefined ? undefined : idInConfig(text);
  return text === undefined || id === undefined ? undefined : { text, id, digest: digestOf(text) };
}

export const configCopy = (job: string): string => path.join(homePaths().keyCopy(job), "config");

/** Without what borg's own partial checks write into it (repository.py, check). */
export const digestOf = (text: string): string =>
  crypto
    .createHash("sha256")
    .update(text.replace(/^last_segment_checked\s*=.*\n/m, ""))
    .digest("hex");

/** Writes the copy; one that is there is kept beside it, under the time's name. */
export function writeConfigCopy(job: string, text: string, now: Date = new Date()): void {
  const file = configCopy(job);
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  // A second name, not another one: at no moment, and on no full disk, is there none.
  if (fs.existsSync(file)) fs.linkSync(file, `${file}.${now.toISOString().replace(/[:.]/g, "-")}`);
  writeDurably(file, text);
}

/** A whole file or none: written beside, synced, renamed. @throws UserError when it cannot be written */
export function writeDurably(file: string, text: string): void {
  const fresh = `${file}.new`;
  try {
    fs.rmSync(fresh, { force: true });
    fs.writeFileSync(fresh, text, { mode: 0o600, flag: "wx", flush: true });
    fs.renameSync(fresh, file);
    syncFolder(path.dirname(file));
  } catch (cause) {
    throw new UserError(
      `${file} cannot be written (${(cause as NodeJS.ErrnoException).code}).`,
      "Make room on its disk, and see that you may write there; then run it again.",
      { cause },
    );
  }
}

/** Makes renames in a folder survive a power cut. */
export function syncFolder(folder: string): void {
  const handle = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}
