import * as crypto from "node:crypto";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import type { Content } from "./judge.ts";

/** A file that came back below a folder; undefined when there is no regular file. */
export async function restoredFile(folder: string, inside: string): Promise<Content | undefined> {
  return reading(folder, inside, async (file) => {
    const { size } = await file.stat();
    const hash = crypto.createHash("sha256");
    for await (const piece of file.createReadStream({ autoClose: false })) hash.update(piece as Buffer);
    return { bytes: size, sha256: hash.digest("hex") };
  });
}

/** The first bytes of a small file that came back; undefined when there is none. */
export async function restoredText(folder: string, inside: string): Promise<string | undefined> {
  return reading(folder, inside, async (file) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(200), 0, 200, 0);
    return buffer.toString("utf8", 0, bytesRead);
  });
}

async function reading<T>(
  folder: string,
  inside: string,
  read: (file: fs.FileHandle) => Promise<T>,
): Promise<T | undefined> {
  const at = path.join(await fs.realpath(folder), inside);
  try {
    // An archive may have put anything there: a link on the way would lead to a file of home's, and a pipe would be waited for.
    if ((await fs.realpath(at)) !== at || !(await fs.lstat(at)).isFile()) return undefined;
    await fs.chmod(at, 0o400); // who is not root may otherwise not read all of what is his own
    await using file = await fs.open(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    return await read(file);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR", "ELOOP", "EACCES"].includes(code)) return undefined;
    throw error;
  }
}
