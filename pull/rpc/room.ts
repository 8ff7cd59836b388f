import * as fs from "node:fs/promises";
import { segmentFilesOf } from "../segments/files.ts";

/** What kept borg at home from taking more. */
export type Full = "quota" | "space";

export interface RoomOptions {
  readonly repository: string;
  /** The repository's quota; the segments that it has count, as borg counts them. */
  readonly quotaBytes?: number | undefined;
  /** Bytes that must stay free on its file system. @default 1 GiB or 2 % of the file system, whichever is less */
  readonly reserveBytes?: number | undefined;
}

/** To be told of bytes that are about to be written; answers why they must not be. */
export type Room = (bytes: number) => Promise<Full | undefined>;

/**
 * borg serve writes an object before it finds that it is beyond the quota, and a hostile client may go on: what is already on its
 * way when an honest client is told fits into this.
 */
const quotaSlackBytes = 64 << 20;
/** The file system is asked again after so much, on a small one after less. */
const stepBytes = 16 << 20;

/** Watches the room that a session has. @param transaction the last committed segment: what comes after it, borg removes */
export async function watchRoom(options: RoomOptions, transaction: number | undefined): Promise<Room> {
  const { repository, quotaBytes, reserveBytes } = options;
  const last = transaction ?? -1;
  const segments = segmentFilesOf(repository);
  const bytesOf = (those: typeof segments) => those.reduce((sum, { bytes }) => sum + bytes, 0);
  let used = bytesOf(segments.filter(({ segment }) => segment <= last));
  // Else a session that fills the disk and is cut off would keep every later one from it: borg removes this with its first write.
  let leftBehind = bytesOf(segments) - used;
  let step = 0;
  let sinceAsked = 0;
  return async (bytes) => {
    used += bytes;
    if (quotaBytes !== undefined && used > quotaBytes + quotaSlackBytes) return "quota";
    sinceAsked += bytes;
    if (sinceAsked < step) return undefined;
    sinceAsked = 0;
    const { bavail, blocks, bsize } = await fs.statfs(repository);
    const reserve = reserveBytes ?? Math.min(1 << 30, 0.02 * blocks * bsize);
    step = Math.min(stepBytes, reserve / 4);
    const free = bavail * bsize + leftBehind;
    leftBehind = 0;
    return free - bytes < reserve ? "space" : undefined;
  };
}
