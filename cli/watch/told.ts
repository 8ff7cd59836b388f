/** What was told of jobs while home's records, which else remember it, could not be read: a file a job, until they can be again. */
import * as fs from "node:fs";
import * as path from "node:path";
import { homePaths } from "../../schema/paths.ts";

const fileOf = (job: string): string => path.join(homePaths().state, "told-without-records", job);

export function wasTold(job: string, what: string): boolean {
  try {
    return fs.readFileSync(fileOf(job), "utf8") === what;
  } catch {
    return false;
  }
}

/** Where it cannot be written, as on a full disk, it is told each time. */
export function rememberTold(job: string, what: string): void {
  try {
    fs.mkdirSync(path.dirname(fileOf(job)), { recursive: true, mode: 0o700 });
    fs.writeFileSync(fileOf(job), what, { mode: 0o600 });
  } catch {
    // told again by the next watch
  }
}

export const forgetTold = (job: string): void => fs.rmSync(fileOf(job), { force: true });
