import { archiveWord, pathWord } from "./contents.ts";

/** The words of a `borg extract` that says how far it is; the repository is in its environment. */
export const extractArgs = (options: {
  readonly archive: string;
  /** None: all of the archive. */
  readonly paths: readonly string[];
  readonly numericIds: boolean;
  /** Flags such as "immutable", which keep a file from being removed. @default true */
  readonly flags?: boolean | undefined;
  readonly lockWaitSeconds: number;
}): readonly string[] => [
  ...["--log-json", "--lock-wait", String(options.lockWaitSeconds), "extract", "--progress", "--sparse"],
  ...(options.numericIds ? ["--numeric-ids"] : []),
  ...(options.flags === false ? ["--noflags"] : []),
  ...["--", `::${archiveWord(options.archive)}`, ...options.paths.map(pathWord)],
];
