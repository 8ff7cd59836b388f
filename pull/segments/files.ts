import * as fs from "node:fs";
import * as path from "node:path";

/** A file of a repository's log. */
export interface SegmentFile {
  readonly segment: number;
  /** Below the repository: "data/0/17". */
  readonly file: string;
  readonly bytes: number;
}

/** Every segment that is there, committed or not, lowest first. */
export function segmentFilesOf(repository: string): readonly SegmentFile[] {
  return numbered(path.join(repository, "data"))
    .flatMap((folder) =>
      numbered(path.join(repository, "data", folder)).map((name) => {
        const file = path.join("data", folder, name);
        return { segment: Number(name), file, bytes: fs.statSync(path.join(repository, file)).size };
      }),
    )
    .toSorted((a, b) => a.segment - b.segment);
}

/** What the segments of a repository take, by their length. */
export const dataBytes = (repository: string): number =>
  segmentFilesOf(repository).reduce((sum, { bytes }) => sum + bytes, 0);

/** As borg looks for them: names of digits alone. */
const numbered = (folder: string): readonly string[] =>
  fs.readdirSync(folder).filter((name) => /^\d+$/.test(name));
