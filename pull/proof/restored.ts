import * as crypto from "node:crypto";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import type { Seen } from "./judge.ts";

/** No link is followed, and nothing is waited for: an archive may have put anything there. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A file that came back below a folder; undefined when there is no regular file. */
export async function restoredFile(folder: string, inside: string): Promise<Seen | undefined> {
  return reading(folder, inside, async (file) => {
    const { mtimeNs, size } = await file.stat({ bigint: true });
    const hash = crypto.createHash("sha256");
    for await (const piece of file.createReadStream({ autoClose: false })) hash.update(piece as Buffer);
    return { mtime: String(mtimeNs), bytes: Number(size), sha256: hash.digest("hex") };
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
  let file: fs.FileHandle;
  try {
    file = await fs.open(path.join(folder, inside), flags);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EACCES"].includes(code)) return undefined;
    throw error;
  }
  try {
    return (await file.stat()).isFile() ? await read(file) : undefined;
  } finally {
    await file.close();
  }
}
