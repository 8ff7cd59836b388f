/** The judgement of a session by the repository's log: what it did to the objects that were there before. */
import { manifestId } from "./entries.ts";
import { type Touched, touchedReader } from "./touched.ts";
import { openWindow } from "./window.ts";

export interface SegmentAudit {
  /** The segments (after, upTo] were read; -1 means from the beginning. */
  readonly after: number;
  readonly upTo: number;
  /** Entries, the manifest's among them. */
  readonly puts: number;
  readonly deletes: number;
  /** Of these segments on disk. */
  readonly bytes: number;
  /** Objects from before that are gone at the end of the window. The manifest is not counted, here and in what follows. */
  readonly deleted: number;
  /** Objects from before that were replaced: borg's put of an id that is there writes DELETE, PUT. */
  readonly overwritten: number;
  /** The first 20, with the segment of the first DELETE. */
  readonly examples: readonly Touched[];
  readonly manifest: "untouched" | "written" | "deleted";
  /**
   * Why the log cannot be vouched for: what follows "the log is not as borg writes it:", without a full stop. The figures then reach
   * up to the damage.
   */
  readonly damage?: string;
}

const maximumExamples = 20;
/** What an audit may take, whatever a peer wrote. */
const limits = {
  /** Deleted ids that one reading looks at: about 30 MB, and as much for those of the next. */
  ids: 100_000,
  /** No backup deletes as many objects as these readings can judge, its own included. */
  readings: 20,
};

/**
 * Reads what was committed to a repository in the segments (after, upTo] and judges it. `after` must be the last committed segment
 * at a time when the repository was as it should be, no session or home operation under way, and home must not have compacted since.
 * Time is proportional to the entries in the window, memory is constant. What is not committed is not looked at: borg drops it.
 * @param options.onProgress told a share from 0 to 1
 * @throws the signal's reason; errors of the file system
 */
export async function auditSegments(
  repository: string,
  options: {
    readonly after: number;
    readonly upTo: number;
    readonly signal?: AbortSignal;
    readonly onProgress?: (share: number) => void;
  },
  { ids, readings: maximumReadings } = limits,
): Promise<SegmentAudit> {
  const { after, upTo } = options;
  const window = await openWindow(repository, options);
  const reader = touchedReader(ids);
  const counts = { puts: 0, deletes: 0, deleted: 0, overwritten: 0 };
  const examples: Touched[] = [];
  let manifest: SegmentAudit["manifest"] = "untouched";

  let damage = await window.read(
    (entry, segment) => {
      reader.visit(entry, segment);
      if (entry.tag === "put") counts.puts++;
      if (entry.tag === "delete") counts.deletes++;
      if (entry.id === manifestId) manifest = entry.tag === "delete" ? "deleted" : "written";
    },
    progress(0, 0.5),
  );

  const tell = (touched: Touched) => {
    counts[touched.change]++;
    if (examples.length < maximumExamples) examples.push(touched);
  };
  // Mostly none is needed, or one: a backup's only DELETEs are those of its checkpoints.
  const readings = Math.min(maximumReadings, Math.ceil(counts.deletes / ids));
  let done = reader.finish(tell);
  for (let reading = 0; !done && reading < readings; reading++) {
    await window.read(reader.visit, progress(0.5 + (0.5 * reading) / readings, 0.5 / readings));
    done = reader.finish(tell);
  }
  if (!done) damage ??= `it deletes more than ${ids * maximumReadings} objects, which no backup does`;
  options.onProgress?.(1);
  return {
    after,
    upTo,
    bytes: window.bytes,
    ...counts,
    examples,
    manifest,
    ...(damage === undefined ? {} : { damage }),
  };

  function progress(from: number, width: number) {
    return (share: number) => options.onProgress?.(from + share * width);
  }
}
