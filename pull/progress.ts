import { bytes, count, percent } from "./quantities.ts";
import type { Message } from "./session/messages.ts";

/** How far a pull is. */
export interface Progress {
  readonly files: number;
  readonly bytesRead: number;
  /** What the repository did not have yet. */
  readonly bytesNew: number;
  readonly path: string;
  /** 0 to 1, of what the last good run read; undefined for a first run. */
  readonly share?: number;
}

const interval = 250;

/** Hands borg's progress on, at most four times a second: a VPS may send any number of lines. */
export function progressReporter(
  onProgress: (progress: Progress) => void,
  lastBytes: number | undefined,
  now: () => number = Date.now,
): (message: Extract<Message, { type: "progress" }>) => void {
  let last = Number.NEGATIVE_INFINITY;
  return ({ files, bytesRead, bytesNew, path }) => {
    if (now() - last < interval) return;
    last = now();
    onProgress({
      files,
      bytesRead,
      bytesNew,
      path,
      // Never 100 % before the end: a machine grows.
      ...(lastBytes ? { share: Math.min(bytesRead / lastBytes, 0.99) } : {}),
    });
  };
}

/** Such as "pulling 64% 1,203 files 96 MB read 12 MB new /etc/ssl". */
export function describeProgress({ files, bytesRead, bytesNew, path, share }: Progress): string {
  return [
    "pulling",
    ...(share === undefined ? [] : [percent(share)]),
    `${count(files)} files`,
    `${bytes(bytesRead)} read`,
    `${bytes(bytesNew)} new`,
    ...(path ? [`/${path.replace(/^\/+/, "")}`] : []),
  ].join(" ");
}
