import * as z from "zod";
import { readGuarded } from "../remote/guarded-file.ts";
import { UserError } from "../schema/errors.ts";
import { type JobFile, jobFile } from "../schema/job-file.ts";

/**
 * Reads and validates a job file: the contract between `pulumi up` and every pull.
 * @throws UserError missing, writable by others, of a newer version, or not valid
 */
export function readJobFile(path: string): JobFile {
  const text = read(path);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${path} is not JSON: ${(cause as Error).message}.`, repair, { cause });
  }
  return parseJobFile(data, path);
}

/** Validates a job file's data; `path` is for the error alone. */
export function parseJobFile(data: unknown, path: string): JobFile {
  const version = (data as { version?: unknown } | null)?.version;
  if (typeof version === "number" && version > 1) {
    throw new UserError(
      `${path} has version ${version}, written by a newer borgpull; this one reads version 1.`,
      "Update borgpull on this machine.",
    );
  }
  const parsed = jobFile.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new UserError(`${path} is not a valid job file:\n${z.prettifyError(parsed.error)}\n`, repair);
}

const repair = 'Run "pulumi up", which writes it.';

/** Who may write a job file chooses the host that gets the passphrase: only its owner may. */
function read(path: string): string {
  try {
    return readGuarded(path, { what: "this job file", secret: false });
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new UserError(
      code === "ENOENT" ? `There is no job file ${path}.` : `${path} cannot be read (${code}).`,
      code === "ENOENT"
        ? 'Check the job\'s name, or run "pulumi up", which writes it.'
        : "Run as the user who ran pulumi up.",
      { cause },
    );
  }
}
