import * as fs from "node:fs";
import { UserError } from "../schema/errors.ts";

/** A file's text; undefined where there is none. @throws UserError when it cannot be read: a disk that fails, no right to it */
export function readIfThere(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR"].includes(code)) return undefined;
    throw new UserError(
      `${file} cannot be read (${code}).`,
      "Look at the disk that it is on, and whether you may read it.",
      { cause },
    );
  }
}
