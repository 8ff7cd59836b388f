import { clean } from "../lines.ts";

/** One file as it came back, or as it is on the VPS. */
export interface Seen {
  /** Nanoseconds since 1970, as text: more digits than a number has. */
  readonly mtime: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Why the VPS gives no hash of a file. */
export type NotSeen = "gone" | "not-in-this-job" | "unreadable";

export interface Compared {
  /** With its slash. */
  readonly path: string;
  /** undefined: it did not come back, or not whole. */
  readonly restored: Seen | undefined;
  /** undefined: nobody could be asked. */
  readonly live: Seen | NotSeen | undefined;
}

export interface ProofFacts {
  /** The run whose archive it is. */
  readonly run: string;
  /** What the canary held; undefined when it is not in the archive, or did not come back. */
  readonly canary: string | undefined;
  readonly files: readonly Compared[];
  /** What kept borg from reading the archive, a sentence without its stop. */
  readonly unreadable?: string;
  /** Why nothing could be compared, a sentence. */
  readonly unasked?: string;
}

export interface ProofVerdict {
  readonly outcome: "good" | "failed";
  /** What was found, one sentence. */
  readonly problem?: string;
  readonly summary: string;
}

/** A file is compared where it has not changed since: by its time of modification, to the nanosecond, and its size. */
const unchanged = (restored: Seen, live: Compared["live"]): live is Seen =>
  typeof live === "object" && live.mtime === restored.mtime && live.bytes === restored.bytes;

/**
 * Whether files come back. The VPS may say what it likes of its own files: it can spoil or feign the proof of them, and nothing else.
 */
export function judgeProof({ run, canary, files, unreadable, unasked }: ProofFacts): ProofVerdict {
  const lost = files.find(({ restored }) => restored === undefined);
  const both = files.flatMap(({ path, restored, live }) =>
    restored && unchanged(restored, live) ? [{ path, same: restored.sha256 === live.sha256 }] : [],
  );
  const different = both.find(({ same }) => !same);
  const summary = summarise(files, both.length, unasked);
  const name = (path: string) => clean(path, 200);
  const problem =
    unreadable !== undefined
      ? `${clean(unreadable, 300)}.`
      : canary === undefined
        ? "The file that every archive has with its run's name did not come back."
        : canary !== `${run}\n`
          ? `The file with the run's name holds "${clean(canary, 60)}", not "${run}".`
          : lost
            ? `${name(lost.path)} did not come back.`
            : different
              ? `${name(different.path)} came back with other content than it has on the VPS, where its time and size are the same.`
              : undefined;
  return problem === undefined ? { outcome: "good", summary } : { outcome: "failed", problem, summary };
}

/** Such as "20 files came back; 17 are as on the VPS, not compared: 2 changed since, 1 gone since". */
function summarise(files: readonly Compared[], compared: number, unasked: string | undefined): string {
  const back = files.filter(({ restored }) => restored).length;
  const counts: readonly (readonly [number, string])[] = [
    [
      files.filter(({ restored, live }) => restored && typeof live === "object" && !unchanged(restored, live))
        .length,
      "changed since",
    ],
    [files.filter(({ live }) => live === "gone").length, "gone since"],
    [
      files.filter(({ live }) => live === "unreadable" || live === "not-in-this-job").length,
      "not shown by the VPS",
    ],
  ];
  const others = counts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
  const start = `${back} file${back === 1 ? "" : "s"} came back`;
  if (unasked !== undefined) return `${start}; none was compared: ${unasked}`;
  return [
    `${start}; ${compared} compared with the VPS`,
    ...(others.length > 0 ? [`not compared: ${others.join(", ")}`] : []),
  ].join("; ");
}
