import type { ArchiveRecord, Mark } from "../ledger.ts";

/**
 * The marks whose state the log can be taken back to, the oldest first: compacting writes anew what came before it, and what was
 * rolled back once is no longer part of the log, even if there are segments with these numbers again.
 * @param marks the oldest first
 * @param segments those that are on disk
 */
export function targets(marks: readonly Mark[], segments: ReadonlySet<number>): readonly Mark[] {
  const sinceCompact = marks.slice(
    Math.max(
      0,
      marks.findLastIndex(({ why }) => why === "compact"),
    ),
  );
  let lowest = Number.POSITIVE_INFINITY;
  return sinceCompact
    .toReversed()
    .filter(({ segment }) => {
      if (segment > lowest) return false;
      lowest = segment;
      return segments.has(segment);
    })
    .toReversed();
}

/** The archives that were there when a mark was set. */
export function archivesAt(archives: readonly ArchiveRecord[], { time }: Mark): readonly ArchiveRecord[] {
  return archives.filter(({ seen, gone }) => seen <= time && !(gone && gone.time <= time));
}

/** The archives that were there when the log ended with a segment. */
export function archivesBySegment(
  archives: readonly ArchiveRecord[],
  marks: readonly Mark[],
  segment: number,
): readonly ArchiveRecord[] {
  const mark = targets(marks, new Set([segment])).at(0);
  return mark ? archivesAt(archives, mark) : [];
}
