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
    return lookUp(repository, file, await bucketsOf(repository, file));
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
    await bucketsOf(repository, file);
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 8);
    return buffer.readInt32LE(0);
  } finally {
    await file.close();
  }
}

async function bucketsOf(repository: string, file: fs.FileHandle): Promise<number> {
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
  return buckets;
}

function lookUp(repository: string, file: fs.FileHandle, buckets: number): Existing {
  return {
    async has(id) {
      const block = Buffer.allocUnsafe(blockBuckets * bucketBytes);
      let bucket = id.readUInt32LE(0) % buckets;
      for (let seen = 0; seen < buckets; ) {
        const count = Math.min(blockBuckets, buckets - bucket, buckets - seen);
        const length = count * bucketBytes;
        const { bytesRead } = await file.read(block, 0, length, headerBytes + bucket * bucketBytes);
        if (bytesRead < length) throw damaged(repository, "has an index that became shorter");
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
    [Symbol.asyncDispose]: () => file.close(),
  };
}

const damaged = (repository: string, what: string) =>
  new UserError(`The repository ${repository} ${what}.`, `Run: borg check ${repository}`);
