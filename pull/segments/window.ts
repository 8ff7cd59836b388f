/** The segments (after, upTo] as one row of entries, read as often as the judgement asks for. */
import * as fs from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SegmentDamage, type SegmentEntry, segmentEntries } from "./entries.ts";
import { segmentFiles } from "./log.ts";

export interface LogWindow {
  /** On disk. */
  readonly bytes: number;
  /**
   * Calls `visit` for each entry, in the order of the log, up to the end of the window or to the first damage.
   * @param onShare told how much of the window is behind us, 0 to 1, now and then
   * @returns the damage, see SegmentAudit; undefined when there is none
   */
  read(
    visit: (entry: SegmentEntry, segment: number) => void,
    onShare: (share: number) => void,
  ): Promise<string | undefined>;
}

/** Longest that reading keeps everything else of this process waiting. */
const turnMilliseconds = 20;

/** @throws the signal's reason */
export async function openWindow(
  repository: string,
  { after, upTo, signal }: { readonly after: number; readonly upTo: number; readonly signal?: AbortSignal },
): Promise<LogWindow> {
  const fileOf = await segmentFiles(repository);
  let turn = performance.now();
  const breathe = async () => {
    if (performance.now() - turn < turnMilliseconds) return;
    await nextTurn();
    signal?.throwIfAborted();
    turn = performance.now();
  };

  let bytes = 0;
  for (let segment = after + 1; segment <= upTo; segment++) {
    bytes += sizeOf(fileOf(segment));
    await breathe();
  }

  return {
    bytes,
    async read(visit, onShare) {
      if (upTo < after) return `it ends with segment ${upTo}, and once it went on to ${after}`;
      if (after >= 0 && sizeOf(fileOf(after)) === 0) return gone(after);
      let behind = 0;
      try {
        for (let segment = after + 1; segment <= upTo; segment++) {
          const file = fileOf(segment);
          const size = sizeOf(file);
          if (size === 0) return gone(segment);
          let last: SegmentEntry | undefined;
          for (const entry of segmentEntries(file)) {
            visit(entry, segment);
            last = entry;
            if (performance.now() - turn >= turnMilliseconds) {
              onShare((behind + entry.offset) / bytes);
              await breathe();
            }
          }
          if (segment === upTo && last?.tag !== "commit")
            return `its segment ${upTo} does not end a transaction`;
          behind += size;
        }
      } catch (error) {
        if (error instanceof SegmentDamage) return error.message;
        throw error;
      }
      return undefined;
    },
  };
}

const gone = (segment: number) => `its segment ${segment} is gone`;

/** 0 where there is no file: borg takes an empty segment for none. */
const sizeOf = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
