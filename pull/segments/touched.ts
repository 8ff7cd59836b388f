/** Which objects from before a window were deleted or overwritten in it, whatever their number, in constant memory. */
import { manifestId, type SegmentEntry } from "./entries.ts";

export interface Touched {
  readonly id: string;
  /** Of its first DELETE. */
  readonly segment: number;
  readonly change: "deleted" | "overwritten";
}

interface Candidate {
  readonly segment: number;
  first?: "put" | "delete";
  last?: "put" | "delete";
  /** An earlier batch has judged it. */
  judged: boolean;
}

/** Some of the ids that the window deletes, and what the next reading of the whole window says of each. */
interface Batch {
  /** The window's how manieth DELETE was the first that this batch looked at. */
  readonly from: number;
  readonly candidates: Map<string, Candidate>;
}

export interface TouchedReader {
  /** To be called with each entry of the window, in the order of the log, in each reading. */
  visit(entry: SegmentEntry, segment: number): void;
  /**
   * To be called after each reading. Tells what is known by it, in the order of the log.
   * @returns whether that was all; else the window must be read again
   */
  finish(tell: (touched: Touched) => void): boolean;
}

/**
 * An object is from before the window if its first entry in it is a DELETE: borg deletes what is there, and a put of what is there
 * writes DELETE, PUT. Its last entry says whether it is gone or has been replaced, however often it changed in between.
 *
 * A session's own PUTs are not remembered, for there may be any number of them. The first reading gathers the ids of DELETEs, and the
 * second looks what came first and last of each. If there are more than `limit`, the second reading gathers the next batch
 * meanwhile, from the DELETE at which the first was full, and so on. An id that is deleted again later may get into several batches:
 * whichever sees it deleted before its own beginning leaves it to the earlier one. So memory is bounded by two batches, and the
 * number of readings by the number of DELETEs divided by `limit`, plus one.
 */
export function touchedReader(limit: number): TouchedReader {
  let judging: Batch = { from: 0, candidates: new Map() };
  let gathering: Batch = { from: 0, candidates: new Map() };
  let full: number | undefined;
  let deletes = 0;

  return {
    visit({ tag, id }, segment) {
      if (tag === "commit" || id === manifestId) return;
      const candidate = judging.candidates.size > 0 ? judging.candidates.get(id) : undefined;
      if (candidate) {
        candidate.first ??= tag;
        candidate.last = tag;
        if (tag === "delete" && deletes < judging.from) candidate.judged = true;
      }
      if (tag === "put") return;
      const ordinal = deletes++;
      if (ordinal < gathering.from || full !== undefined || gathering.candidates.has(id)) return;
      if (gathering.candidates.size < limit) gathering.candidates.set(id, { segment, judged: false });
      else full = ordinal;
    },
    finish(tell) {
      for (const [id, { segment, first, last, judged }] of judging.candidates) {
        if (first !== "delete" || judged) continue;
        tell({ id, segment, change: last === "delete" ? "deleted" : "overwritten" });
      }
      judging = gathering;
      gathering = { from: full ?? deletes, candidates: new Map() };
      full = undefined;
      deletes = 0;
      return judging.candidates.size === 0;
    },
  };
}
