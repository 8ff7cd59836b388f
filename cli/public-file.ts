import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";

/**
 * Writes a file that anybody may read, whole or not at all: beside it, then renamed. The name beside it has no ending, so that who
 * collects *.prom or serves *.html takes no half of it.
 * @param mode 0o644 for what is meant for all
 * @throws UserError when it cannot be written, or what is there is no regular file: a rename would replace a device or a link, and a link that
 * somebody else put there would lead root elsewhere
 */
export function writeWhole(file: string, text: string, mode: number): void {
  if (fs.lstatSync(file, { throwIfNoEntry: false })?.isFile() === false) {
    throw new UserError(
      `${file} is there, and is no regular file.`,
      "Give the name of a file, not of a device, a link or a folder.",
    );
  }
  const beside = path.join(path.dirname(file), `.borgpull.${crypto.randomBytes(6).toString("hex")}`);
  try {
    fs.writeFileSync(beside, text, { mode, flag: "wx" });
    fs.chmodSync(beside, mode); // whatever the umask is
    fs.renameSync(beside, file);
  } catch (cause) {
    fs.rmSync(beside, { force: true });
    const { code } = cause as NodeJS.ErrnoException;
    throw new UserError(
      `${file} cannot be written (${code}).`,
      `Check that ${path.dirname(path.resolve(file))} is a folder that you may write to, with room on its disk.`,
      { cause },
    );
  }
}
