import * as fs from "node:fs";
import * as path from "node:path";
import { dataBytes } from "../segments/files.ts";

/**
 * How large a repository is, in bytes: the segments of its log, which is all but some per cent of it. What a rollback moved aside is not
 * counted. One stat a segment file (borg's are 500 MB), so a repository of a terabyte takes milliseconds. Needs the job's lock.
 * @returns undefined when there is no repository
 */
export const repositoryBytes = (repository: string): number | undefined =>
  fs.existsSync(path.join(repository, "data")) ? dataBytes(repository) : undefined;
