/** Which files are a repository's log, and where its last transaction ends: borg's LoggedIO.segment_filename and segment_iterator. */
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { isCommitted } from "./entries.ts";

/** Where each segment of a repository is, by its number. */
export async function segmentFiles(repository: string): Promise<(segment: number) => string> {
  const config = await fs.readFile(path.join(repository, "config"), "utf8");
  const segmentsPerFolder = Number(/^segments_per_dir\s*=\s*([1-9]\d*)\s*$/m.exec(config)?.[1] ?? 1000);
  return (segment) =>
    path.join(repository, "data", String(Math.floor(segment / segmentsPerFolder)), String(segment));
}

/**
 * The number of the last committed segment of a repository: its transaction. borg's LoggedIO.get_segments_transaction_id.
 * What comes after it is what a session that was cut off left behind; borg drops it (LoggedIO.cleanup).
 * @returns undefined when nothing was ever committed
 */
export async function lastCommitted(repository: string): Promise<number | undefined> {
  const data = path.join(repository, "data");
  const fileOf = await segmentFiles(repository);
  for (const folder of await numbers(data)) {
    for (const segment of await numbers(path.join(data, String(folder)))) {
      if (isThereAndCommitted(fileOf(segment))) return segment;
    }
  }
  return undefined;
}

/** A session that begins to write drops what an earlier one left uncommitted, which may be between the folder's listing and this look. */
function isThereAndCommitted(file: string): boolean {
  try {
    return isCommitted(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** The names in a folder that are numbers, largest first. */
async function numbers(folder: string): Promise<readonly number[]> {
  const names = await fs.readdir(folder);
  return names
    .filter((name) => /^(0|[1-9]\d*)$/.test(name))
    .map(Number)
    .toSorted((a, b) => b - a);
}
