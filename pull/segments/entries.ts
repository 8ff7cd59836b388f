/** The entries of one segment, by their headers: borg's LoggedIO.iter_objects(read_data=False), with the same bounds. */
import * as fs from "node:fs";
import * as path from "node:path";
import { crc32 } from "node:zlib";

/** One entry: a PUT stores an object, a DELETE removes it, a COMMIT ends a transaction. */
export interface SegmentEntry {
  readonly tag: "put" | "delete" | "commit";
  /** The object's id, 64 hexadecimal digits; "" of a commit. */
  readonly id: string;
  /** Of the whole entry, in bytes. */
  readonly size: number;
  /** Where the entry begins in its file, in bytes. */
  readonly offset: number;
}

/** A segment is not what borg writes. The message says what is wrong with which, without a full stop. */
export class SegmentDamage extends Error {}

/** The id under which a repository keeps its list of archives. */
export const manifestId = "0".repeat(64);

const tags = ["put", "delete", "commit"] as const; // 1.2 and 1.4 know no others
const magic = Buffer.from("BORG_SEG");
const headerBytes = 9; // crc32, size, tag
const idBytes = 32;
const maximumBytes = 20 * 1024 * 1024; // borg's MAX_OBJECT_SIZE

/**
 * Reads a segment's entries in their order. Data is seeked over, so its checksum is looked at only on request; that of a DELETE
 * and of a COMMIT always.
 * @throws SegmentDamage at the first byte that borg does not write; errors of the file system as they are
 */
export function* segmentEntries(
  file: string,
  options: { readonly verifyData?: boolean } = {},
): Generator<SegmentEntry, void, void> {
  const fd = fs.openSync(file, "r");
  try {
    const length = fs.fstatSync(fd).size;
    const headers = headerReader(fd);
    const damaged = (offset: number, what: string) =>
      new SegmentDamage(`segment ${path.basename(file)} has ${what} at byte ${offset}`);

    const first = headers(0);
    if (first.filled < magic.length || magic.compare(first.block, 0, magic.length) !== 0) {
      throw damaged(0, "another beginning than borg's");
    }
    let offset = magic.length;
    while (offset < length) {
      const { block, at, filled } = headers(offset);
      if (filled < headerBytes) throw damaged(offset, "a cut entry");
      const size = block.readUInt32LE(at + 4);
      const tag = tags[block.readUInt8(at + 8)];
      if (!tag) throw damaged(offset, "an unknown tag");
      const shortest = tag === "commit" ? headerBytes : headerBytes + idBytes;
      if (size < shortest || size > (tag === "put" ? maximumBytes : shortest)) {
        throw damaged(offset, "an impossible size");
      }
      if (offset + size > length) throw damaged(offset, "a cut entry");
      if (tag !== "put" || options.verifyData) {
        const known = Math.min(size, filled);
        let checksum = crc32(block.subarray(at + 4, at + known));
        if (known < size) checksum = dataChecksum(fd, offset + known, offset + size, checksum);
        if (checksum !== block.readUInt32LE(at)) throw damaged(offset, "a wrong checksum");
      }
      const id = tag === "commit" ? "" : block.toString("hex", at + headerBytes, at + headerBytes + idBytes);
      yield { tag, id, size, offset };
      offset += size;
    }
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Whether a transaction ends with this segment: it holds a COMMIT, and only COMMITs after the first. borg's is_committed_segment.
 * All checksums are looked at, as borg does; the cheap tests come first, for a peer may leave many large segments behind.
 */
export function isCommitted(file: string): boolean {
  return endsLikeCommit(file) && commitsLast(file, false) && commitsLast(file, true);
}

const commit = Buffer.from("40f43c250900000002", "hex");

function endsLikeCommit(file: string): boolean {
  const fd = fs.openSync(file, "r");
  try {
    const end = Buffer.alloc(commit.length);
    const from = fs.fstatSync(fd).size - commit.length;
    return from >= 0 && fs.readSync(fd, end, 0, end.length, from) === end.length && end.equals(commit);
  } finally {
    fs.closeSync(fd);
  }
}

function commitsLast(file: string, verifyData: boolean): boolean {
  let committed = false;
  try {
    for (const { tag } of segmentEntries(file, { verifyData })) {
      if (tag === "commit") committed = true;
      else if (committed) return false;
    }
  } catch (error) {
    if (error instanceof SegmentDamage) return false;
    throw error;
  }
  return committed;
}

interface Header {
  readonly block: Buffer;
  /** Where the header begins in the block. */
  readonly at: number;
  /** How many bytes from there are in the block: the whole header and id, unless the file ends before. */
  readonly filled: number;
}

const largeBlock = 64 * 1024;
const smallBlock = 4 * 1024;

/** Reads much while entries are small and follow closely, little after a jump over data: neither many calls nor many bytes. */
function headerReader(fd: number): (offset: number) => Header {
  const block = Buffer.allocUnsafe(largeBlock);
  let start = 0;
  let end = 0;
  return (offset) => {
    if (offset + headerBytes + idBytes > end) {
      const wanted = offset - end < largeBlock / 2 ? largeBlock : smallBlock;
      start = offset;
      end = offset + fs.readSync(fd, block, 0, wanted, offset);
    }
    return { block, at: offset - start, filled: end - offset };
  };
}

function dataChecksum(fd: number, from: number, to: number, checksum: number): number {
  const block = Buffer.allocUnsafe(Math.min(1024 * 1024, to - from));
  let value = checksum;
  for (let offset = from; offset < to; ) {
    const read = fs.readSync(fd, block, 0, Math.min(block.length, to - offset), offset);
    if (read === 0) break; // cut while we read: the checksum will not match
    value = crc32(block.subarray(0, read), value);
    offset += read;
  }
  return value;
}
