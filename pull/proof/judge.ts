import { clean } from "../lines.ts";

/** What a file holds, as it came back or as it is on the VPS. */
export interface Content {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** A file of the VPS now. */
export interface Live extends Content {
  /** When it was last changed there (ctime), microseconds since 1970. */
  readonly changed: number;
}

/** Why the VPS gives no hash of a file. */
export type NotSeen = "gone" | "not-in-this-job" | "unreadable";

export interface Compared {
  /** With its slash. */
  readonly path: string;
  /** When it was last changed before it was backed up (ctime), microseconds since 1970, as borg rounds them. */
  readonly changed: number;
  /** undefined: it did not come back, or not whole. */
  readonly restored: Content | undefined;
  /** undefined: nobody could be asked. */
  readonly live: Live | NotSeen | undefined;
}

/** The file with the run's name that the helper on the VPS puts into every archive. */
export type Canary =
  /** It came back. `changed` is when the run wrote it, by the same clock as of the other files. */
  | { readonly kind: "back"; readonly text: string; readonly changed: number }
  /** It is in the archive, and did not come back. */
  | { readonly kind: "lost" }
  /** It is not in the archive, and was in an earlier one. */
  | { readonly kind: "missing" }
  /** It is not in the archive, nor known of an earlier one: the helper is an older borgpull's. */
  | { readonly kind: "none" };

export interface ProofFacts {
  /** The run whose archive it is. */
  readonly run: string;
  readonly canary: Canary;
  readonly files: readonly Compared[];
  /** What kept borg from reading the archive, a sentence without its stop. */
  readonly unreadable?: string;
  /** Why nothing could be compared, a sentence. */
  readonly unasked?: string;
}

export interface ProofVerdict {
  /** ended: the archive holds nothing to prove it with. */
  readonly outcome: "good" | "failed" | "ended";
  /** What was found, one sentence; with every outcome but "good". */
  readonly problem?: string;
  readonly summary: string;
  /** Paths of the files that the next proof is to take again; of a failed one alone. */
  readonly again?: readonly string[];
}

/** What there is to say of a file of the sample. */
type Standing = "lost" | "same" | "different" | "changed" | "gone" | "hidden" | "unasked";

/**
 * Whether files come back. The VPS may say what it likes of its own files: it can spoil or feign the proof of them, and nothing else.
 */
export function judgeProof({ run, canary, files, unreadable, unasked }: ProofFacts): ProofVerdict {
  const standings = files.map((file) => ({ path: file.path, is: standingOf(file, canary) }));
  const those = (which: Standing) => standings.flatMap(({ path, is }) => (is === which ? [path] : []));
  const [lost, different] = [those("lost"), those("different")];
  const problem =
    unreadable !== undefined
      ? `${clean(unreadable, 300)}.`
      : (canaryProblem(run, canary) ??
        (lost[0] !== undefined
          ? `${clean(lost[0], 200)} did not come back.`
          : different[0] !== undefined
            ? `${clean(different[0], 200)} came back with other content than it has on the VPS, where it has not changed since.`
            : undefined));
  const summary = summarise(canary, standings, unasked);
  // borg does not say in which file it could not go on.
  const again = unreadable === undefined ? [...lost, ...different] : files.map(({ path }) => path);
  if (problem !== undefined) return { outcome: "failed", problem, summary, again };
  if (canary.kind !== "none" || files.length > 0) return { outcome: "good", summary };
  const nothing = "The archive has nothing to prove it with: no file of up to 64 MB.";
  return { outcome: "ended", problem: nothing, summary };
}

/**
 * A file is compared where it has not changed since, by its size and ctime. Not by its mtime: whoever installs, unpacks or synchronises files
 * sets that, npm to the same day for all of them.
 */
function standingOf({ changed, restored, live }: Compared, canary: Canary): Standing {
  if (restored === undefined) return "lost";
  if (live === undefined) return "unasked";
  if (typeof live === "string") return live === "gone" ? "gone" : "hidden";
  // borg rounds to a microsecond
  if (live.bytes !== restored.bytes || !(Math.abs(live.changed - changed) <= 2)) return "changed";
  if (live.sha256 === restored.sha256) return "same";
  return canary.kind === "back" && changed < canary.changed - settlingMicroseconds ? "different" : "changed";
}

/**
 * What is written through a memory map changes no time for as long as the kernel has not written it out, half a minute: another content
 * says nothing of a file that was changed so shortly before the run.
 */
const settlingMicroseconds = 60e6;

function canaryProblem(run: string, canary: Canary): string | undefined {
  switch (canary.kind) {
    case "back":
      if (canary.text === `${run}\n`) return undefined;
      return `The file with the run's name holds "${clean(canary.text, 60)}", not "${run}".`;
    case "lost":
      return "The file with the run's name did not come back.";
    case "missing":
      return "The file with the run's name is not in the archive, as it was in earlier ones.";
    case "none":
      return undefined;
  }
}

/** Such as "20 files came back; 17 compared with the VPS; not compared: 2 changed since, 1 gone since". */
function summarise(
  canary: Canary,
  standings: readonly { readonly is: Standing }[],
  unasked: string | undefined,
): string {
  const count = (...which: readonly Standing[]) => standings.filter(({ is }) => which.includes(is)).length;
  const back = standings.length - count("lost");
  const left = (["changed", "gone", "hidden"] as const).flatMap((which) =>
    count(which) > 0 ? [`${count(which)} ${notCompared[which]}`] : [],
  );
  const compared =
    unasked === undefined
      ? `${count("same", "different")} compared with the VPS`
      : `none was compared: ${unasked}`;
  return [
    ...(standings.length === 0
      ? ["there is no file of up to 64 MB to compare"]
      : [`${back} file${back === 1 ? "" : "s"} came back`, compared]),
    ...(left.length > 0 ? [`not compared: ${left.join(", ")}`] : []),
    ...(canary.kind === "none"
      ? ["the run's name is not in the archive, as in those of an older borgpull"]
      : []),
  ].join("; ");
}

const notCompared = { changed: "changed since", gone: "gone since", hidden: "not shown by the VPS" } as const;
