/** What differs between the hosts of a simulated fleet: words that stand in names, paths and contents, each of one length for all hosts. */
import * as crypto from "node:crypto";

/** Words of the host that everything is copied from. */
export interface Original {
  readonly name: string;
  readonly address: string;
  /** Ids of home's records, which no two jobs may share: hexadecimal, and the ends of run ids. */
  readonly ids: readonly string[];
}

/** Word of the original -> word of the copy; the same length, since what is sent to a host is sent with its length. */
export type Words = ReadonlyMap<string, string>;

export const nameOf = (n: number): string => `sim${String(n).padStart(4, "0")}`;

/** An address of the loopback network of its own, so that the stand-in knows who is asked for. */
export const addressOf = (n: number): string => `127.77.${100 + Math.floor(n / 100)}.${100 + (n % 100)}`;

/** @param n 0 is the original itself */
export function wordsOf(original: Original, n: number): Words {
  const words = new Map([
    [original.name, nameOf(n)],
    [original.address, addressOf(n)],
    ...original.ids.map((id): [string, string] => [id, n === 0 ? id : idOf(id, n)]),
  ]);
  for (const [from, to] of words) {
    if (from.length !== to.length) throw new Error(`${to} is not as long as ${from}`);
  }
  return words;
}

const idOf = (id: string, n: number): string =>
  crypto.createHash("sha256").update(`${id} ${n}`).digest("hex").slice(0, id.length);

export function substitute(text: string, words: Words): string {
  let changed = text;
  for (const [from, to] of words) changed = changed.replaceAll(from, to);
  return changed;
}
