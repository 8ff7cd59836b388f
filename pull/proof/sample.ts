import type { Item } from "../borg/contents.ts";

/** Bounds of a sample: what is compared is read on both sides. */
export interface SampleLimits {
  readonly files: number;
  readonly fileBytes: number;
  readonly totalBytes: number;
}

export const sampleLimits: SampleLimits = { files: 20, fileBytes: 64e6, totalBytes: 256e6 };

/**
 * Chooses regular files at random, each as likely as any other, out of a list of any length that is seen once (Vitter's algorithm R).
 * @param again paths of files that are taken before any other: the last proof found fault with them
 * @param random from 0 to less than 1
 */
export function reservoir(
  again: readonly string[] = [],
  { files, fileBytes, totalBytes }: SampleLimits = sampleLimits,
  random: () => number = Math.random,
): { readonly add: (item: Item) => void; readonly sample: () => readonly Item[] } {
  const kept: Item[] = [];
  const first: Item[] = [];
  let seen = 0;
  return {
    add: (item) => {
      if (item.type !== "-" || item.hardLink || item.bytes > fileBytes || !nameable(item.path)) return;
      if (again.includes(item.path) && first.length < files) return void first.push(item);
      seen++;
      if (kept.length < files) {
        kept.push(item);
        return;
      }
      const place = Math.floor(random() * seen);
      if (place < files) kept[place] = item;
    },
    sample: () => {
      let left = totalBytes;
      const fitting = [...first, ...kept].filter(({ bytes }) => {
        if (bytes > left) return false;
        left -= bytes;
        return true;
      });
      return fitting.slice(0, files);
    },
  };
}

/** The paths of a sample must fit into the 64 KiB that borgctl takes. */
const longestPathBytes = 3000;

/** borg lists a path that is no UTF-8 with "?" in place of it: such a name is none that could be asked for. */
const nameable = (path: string): boolean =>
  path !== "" &&
  Buffer.byteLength(path) <= longestPathBytes &&
  !path.includes("?") &&
  !path.includes("\0") &&
  !path.split("/").includes("..");
