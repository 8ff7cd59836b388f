import { archiveWord, exactPathWord, pathWord } from "./contents.ts";

/** The words of a `borg extract` that says how far it is; the repository is in its environment. */
export const extractArgs = (options: {
  readonly archive: string;
  /** None: all of the archive. */
  readonly paths: readonly string[];
  readonly numericIds: boolean;
  /** These very files, whatever else the archive has below their names, and without flags such as "immutable", which keep one from being removed. */
  readonly sample: boolean;
  readonly lockWaitSeconds: number;
}): readonly string[] => [
  ...["--log-json", "--lock-wait", String(options.lockWaitSeconds), "extract", "--progress", "--sparse"],
  ...(options.numericIds ? ["--numeric-ids"] : []),
  ...(options.sample ? ["--noflags"] : []),
  ...["--", `::${archiveWord(options.archive)}`],
  ...options.paths.map(options.sample ? exactPathWord : pathWord),
];
