import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";

/**
 * Reads a file at home that other users could gain by: by writing it, or what it lies in, and a secret by reading it.
 * @param what what it is in a sentence: "this passphrase"
 * @throws UserError when others could, with the command that shuts them out; what node:fs throws when it cannot be read
 */
export function readGuarded(file: string, { what, secret }: { what: string; secret: boolean }): string {
  const opened = fs.openSync(file, "r"); // looked at and read through one handle: nobody can exchange it in between
  try {
    const stat = fs.fstatSync(opened);
    refuseOwner(file, stat.uid);
    if (secret && stat.mode & 0o077) {
      throw new UserError(`${file}: ${what} can be read by other users.`, `Run: chmod 600 ${file}`);
    }
    if (stat.mode & 0o022) {
      throw new UserError(`${file} can be written by other users.`, `Run: chmod go-w ${file}`);
    }
    // Both the folders that it is called by and those that links lead to.
    for (const folder of [...foldersOf(file), ...foldersOf(fs.realpathSync(file))])
      refuseFolder(folder, file);
    return fs.readFileSync(opened, "utf8");
  } finally {
    fs.closeSync(opened);
  }
}

/** From its own folder up to the root. */
function foldersOf(file: string): readonly string[] {
  const folder = path.dirname(path.resolve(file));
  return folder === path.dirname(folder) ? [folder] : [folder, ...foldersOf(folder)];
}

const sticky = 0o1000;

/** In a sticky folder, such as /tmp, others can exchange nothing that is not theirs. */
function refuseFolder(folder: string, file: string): void {
  const { mode, uid } = fs.statSync(folder);
  refuseOwner(folder, uid);
  if (mode & 0o022 && !(mode & sticky)) {
    throw new UserError(
      `${folder} can be written by other users, who could put another file in the place of ${file}.`,
      `Run: chmod go-w ${folder}`,
    );
  }
}

function refuseOwner(at: string, uid: number): void {
  const me = process.getuid?.();
  if (uid === 0 || uid === me) return;
  throw new UserError(`${at} belongs to another user (uid ${uid}).`, `Run: chown ${me} ${at}`);
}
