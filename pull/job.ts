import * as fs from "node:fs";
import * as path from "node:path";
import * as z from "zod";
import { readGuarded } from "../remote/guarded-file.ts";
import { UserError } from "../schema/errors.ts";
import { type JobFile, jobFile } from "../schema/job-file.ts";
import { nearest } from "../schema/nearest.ts";
import { homePaths } from "../schema/paths.ts";

/**
 * Reads and validates a job file: the contract between `pulumi up` and every pull.
 * @throws UserError missing, writable by others, of a newer version, or not valid
 */
export function readJobFile(file: string): JobFile {
  const text = read(file);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${file} is not JSON: ${(cause as Error).message}.`, repair, { cause });
  }
  return parseJobFile(data, file);
}

/** Validates a job file's data; `file` is for the error alone. */
export function parseJobFile(data: unknown, file: string): JobFile {
  const version = (data as { version?: unknown } | null)?.version;
  if (typeof version === "number" && version > 1) {
    throw new UserError(
      `${file} has version ${version}, written by a newer borgpull; this one reads version 1.`,
      "Update borgpull on this machine.",
    );
  }
  const parsed = jobFile.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new UserError(`${file} is not a valid job file:\n${z.prettifyError(parsed.error)}\n`, repair);
}

const repair = 'Run "pulumi up", which writes it.';

/** Who may write a job file chooses the host that gets the passphrase: only its owner may. */
function read(file: string): string {
  try {
    return readGuarded(file, { what: "this job file", secret: false });
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") throw noSuchJob(file, { cause });
    throw new UserError(`${file} cannot be read (${code}).`, "Run as the user who ran pulumi up.", { cause });
  }
}

/** Where the job files of this machine are. */
export const jobsFolder = (): string => path.dirname(homePaths().jobFile("x"));

/** The names of the jobs that have a file in a folder, in order. */
export function jobNamesIn(folder: string): readonly string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .flatMap((file) => /^([a-z0-9][a-z0-9-]{0,39})\.json$/.exec(file)?.[1] ?? [])
    .toSorted();
}

const listed = 10;

/** A person gave the name, most often: what that may have meant says more than where the file is missing. */
function noSuchJob(file: string, options: ErrorOptions): UserError {
  const folder = path.dirname(file);
  const name = path.basename(file, ".json");
  const names = jobNamesIn(folder);
  if (names.length === 0) return noJobs(folder, options);
  const meant = nearest(name, names);
  const more = names.length > listed ? `, and ${names.length - listed} more` : "";
  return new UserError(
    `There is no job "${name}" on this machine.`,
    meant === undefined
      ? `There are: ${names.slice(0, listed).join(", ")}${more}. "pulumi up" makes what the config declares.`
      : `Did you mean ${meant}?`,
    options,
  );
}

/** There may never have been one, another user's may be elsewhere, or all were removed. */
export const noJobs = (folder: string = jobsFolder(), options?: ErrorOptions): UserError =>
  new UserError(
    `No job is declared on this machine (none is in ${folder}).`,
    'Declare one and run "pulumi up". The repository and the passphrase of a job that was removed stay where they were: docs/operations.md, "Without borgpull", has the commands for them.',
    options,
  );
