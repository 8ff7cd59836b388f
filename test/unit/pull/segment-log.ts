/** Writes logs as borg does, and as it does not. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { crc32 } from "node:zlib";

export type Entry = readonly ["put", id: string, data?: Buffer] | readonly ["delete", id: string] | "commit";

/** A repository that is a log and nothing else, gone when it is disposed of. */
export interface WrittenLog extends Disposable {
  readonly repository: string;
  /** Appends a segment, or writes one anew. */
  write(entries: readonly Entry[], segment?: number): void;
  fileOf(segment: number): string;
}

export function writtenLog(segments: readonly (readonly Entry[])[], segmentsPerFolder = 1000): WrittenLog {
  const repository = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-log-"));
  fs.mkdirSync(path.join(repository, "data"));
  const config = `[repository]\nversion = 1\nsegments_per_dir = ${segmentsPerFolder}\n`;
  fs.writeFileSync(path.join(repository, "config"), config);
  let next = 0;
  const fileOf = (segment: number) =>
    path.join(repository, "data", String(Math.floor(segment / segmentsPerFolder)), String(segment));
  const write = (entries: readonly Entry[], segment = next++) => {
    fs.mkdirSync(path.dirname(fileOf(segment)), { recursive: true });
    fs.writeFileSync(fileOf(segment), Buffer.concat([Buffer.from("BORG_SEG"), ...entries.map(encoded)]));
  };
  for (const entries of segments) write(entries);
  return {
    repository,
    write,
    fileOf,
    [Symbol.dispose]: () => fs.rmSync(repository, { recursive: true }),
  };
}

/** A short name as an id. */
export const idOf = (name: string): string => Buffer.from(name.padEnd(32, ".")).toString("hex");

export function encoded(entry: Entry): Buffer {
  if (entry === "commit") return frame(2, Buffer.alloc(0));
  const [tag, id, data = Buffer.alloc(0)] = entry;
  return frame(tag === "put" ? 0 : 1, Buffer.concat([Buffer.from(id, "hex"), data]));
}

/** An entry with its checksum right, whatever else is wrong. */
export function frame(tag: number, body: Buffer, size = 9 + body.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(size);
  head.writeUInt8(tag, 4);
  const rest = Buffer.concat([head, body]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32(rest));
  return Buffer.concat([checksum, rest]);
}
