import * as fs from "node:fs/promises";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";

/** Which objects a repository held at one moment. */
export interface Existing extends AsyncDisposable {
  /** @param id 32 bytes */
  has(id: Buffer): Promise<boolean>;
}

const headerBytes = 18;
const keyBytes = 32;
/** Key, segment, offset. */
const bucketBytes = keyBytes + 8;
/** Read at once; one is mostly enough, as borg keeps a quarter of the buckets empty. */
const blockBuckets = 64;
/** In place of the segment. */
const empty = 0xffff_ffff;
const deleted = 0xffff_fffe;

/**
 * Opens borg's own index of a repository (1.1 to 1.4: _hashindex.c) as it is after a transaction, and looks ids up in the file, so
 * that it takes no memory. borg replaces that file and never changes it: what was opened stays as it was.
 * @param transaction the last committed segment; undefined: the repository is empty
 * @throws UserError when there is no such index, or none that borg writes
 */
export async function openExisting(repository: string, transaction: number | undefined): Promise<Existing> {
  if (transaction === undefined) return { has: async () => false, [Symbol.asyncDispose]: async () => {} };
  let file: fs.FileHandle;
  try {
    file = await fs.open(path.join(repository, `index.${transaction}`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw damaged(repository, `has no index of its last transaction (${transaction})`);
  }
  try {
    const { buckets } = await headerOf(repository, file);
    return lookUp(repository, await reader(file, headerBytes + buckets * bucketBytes), buckets);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** How many objects borg's index of a transaction has; undefined when there is no such index. */
export async function countObjects(repository: string, transaction: number): Promise<number | undefined> {
  let file: fs.FileHandle;
  try {
    file = await fs.open(path.join(repository, `index.${transaction}`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return (await headerOf(repository, file)).objects;
  } finally {
    await file.close();
  }
}

async function headerOf(
  repository: string,
  file: fs.FileHandle,
): Promise<{ readonly buckets: number; readonly objects: number }> {
  const header = Buffer.alloc(headerBytes);
  await file.read(header, 0, headerBytes, 0);
  const buckets = header.readInt32LE(12);
  const valid =
    header.toString("latin1", 0, 8) === "BORG_IDX" &&
    header.readInt8(16) === keyBytes &&
    header.readInt8(17) === bucketBytes - keyBytes &&
    buckets > 0 &&
    (await file.stat()).size === headerBytes + buckets * bucketBytes;
  if (!valid) throw damaged(repository, "has an index that borg 1.2 or 1.4 did not write whole");
  return { buckets, objects: header.readInt32LE(8) };
}

interface Reader extends AsyncDisposable {
  /** At most so many bytes, fewer at the end. */
  read(position: number, length: number): Promise<Buffer>;
}

/** A first backup asks for each of its objects: a small index is read once, which is less than a question more. */
const smallBytes = 1 << 20;

async function reader(file: fs.FileHandle, bytes: number): Promise<Reader> {
  if (bytes <= smallBytes) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, 0);
    const all = buffer.subarray(0, bytesRead);
    await file.close();
    return {
      read: async (position, length) => all.subarray(position, position + length),
      [Symbol.asyncDispose]: async () => {},
    };
  }
  return {
    read: async (position, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

function lookUp(repository: string, index: Reader, buckets: number): Existing {
  return {
    async has(id) {
      let bucket = id.readUInt32LE(0) % buckets;
      for (let seen = 0; seen < buckets; ) {
        const count = Math.min(blockBuckets, buckets - bucket, buckets - seen);
        const length = count * bucketBytes;
        const block = await index.read(headerBytes + bucket * bucketBytes, length);
        if (block.length < length) throw damaged(repository, "has an index that became shorter");
        for (let at = 0; at < length; at += bucketBytes) {
          const segment = block.readUInt32LE(at + keyBytes);
          if (segment === empty) return false;
          if (segment !== deleted && id.equals(block.subarray(at, at + keyBytes))) return true;
        }
        seen += count;
        bucket = (bucket + count) % buckets;
      }
      return false;
    },
    [Symbol.asyncDispose]: () => index[Symbol.asyncDispose](),
  };
}

const damaged = (repository: string, what: string) =>
  new UserError(`The repository ${repository} ${what}.`, `Run: borg check ${repository}`);
