import { pieceKeeper } from "./pieces.ts";
import { bytesAfter, tokenOf, type Value, Violation } from "./values.ts";

export interface Message {
  readonly value: Value;
  /** The bytes that it came in, in order; nothing else is in them. */
  readonly pieces: readonly Buffer[];
  readonly length: number;
}

export interface Limits {
  /** Bytes of one message. */
  readonly messageBytes: number;
  /** Maps and arrays within each other. */
  readonly depth: number;
  /** Values of one message, containers among them. */
  readonly values: number;
  /** A raw up to this many bytes is decoded; of a longer one, the length. */
  readonly rawBytes: number;
}

/** A container that is being read; a map's values are its keys and values in turn. */
interface Frame {
  readonly type: "array" | "map";
  readonly need: number;
  readonly values: Value[];
}

/**
 * Splits a stream into its top-level msgpack objects. Written out here because a library would decode, and so copy, all the data
 * that a backup sends, and would have borg's limits in other places than borg has them.
 * @returns to be called with each piece of the stream; what it yields was complete
 * @throws Violation while iterating, once the stream is none of borg's; it is not to be called again then
 */
export function messageSplitter(limits: Limits): (chunk: Buffer) => Generator<Message, void> {
  let kept = pieceKeeper();
  const stack: Frame[] = [];
  let count = 0;
  /** First byte of a value and the fixed number of bytes after it. */
  const head = Buffer.alloc(9);
  let headLength = 0;
  /** The raw that is being read. */
  let raw: { left: number; readonly length: number; readonly bytes: Buffer | undefined } | undefined;

  /** Puts a whole value into the container that it belongs to, and that one into its own. @returns the message's value, if complete */
  const settle = (value: Value): Value | undefined => {
    let whole = value;
    for (;;) {
      const frame = stack.at(-1);
      if (!frame) return whole;
      frame.values.push(whole);
      if (frame.values.length < frame.need) return undefined;
      stack.pop();
      whole = containerOf(frame);
    }
  };

  const open = (type: Frame["type"], size: number): Value | undefined => {
    const need = type === "map" ? 2 * size : size;
    if (count + need > limits.values) throw new Violation("a message of too many parts");
    if (stack.length >= limits.depth) throw new Violation("a message that is nested too deeply");
    const frame: Frame = { type, need, values: [] };
    if (need === 0) return settle(containerOf(frame));
    stack.push(frame);
    return undefined;
  };

  const checkLength = (length: number) => {
    if (length > limits.messageBytes)
      throw new Violation(`a message of more than ${limits.messageBytes} bytes`);
  };

  /** Takes the head that is complete. @param length bytes of the message up to here */
  const begin = (length: number): Value | undefined => {
    checkLength(length);
    if (++count > limits.values) throw new Violation("a message of too many parts");
    const token = tokenOf(head);
    if (!("size" in token)) return settle(token);
    if (token.type !== "raw") return open(token.type, token.size);
    checkLength(length + token.size);
    // From Node's pool, and filled before anyone sees it: with memory of its own for each of a message's nine
    // small values the process grew by 150 bytes a chunk.
    const bytes = token.size <= limits.rawBytes ? Buffer.allocUnsafe(token.size) : undefined;
    if (token.size === 0) return settle({ type: "raw", length: 0, bytes });
    raw = { left: token.size, length: token.size, bytes };
    return undefined;
  };

  return function* (chunk) {
    let start = 0;
    let at = 0;
    // The chunk itself where it is all of it: who gets it can tell that no other message has a part of it.
    const part = () => (start === 0 && at === chunk.length ? chunk : chunk.subarray(start, at));
    while (at < chunk.length) {
      let whole: Value | undefined;
      if (raw) {
        const step = Math.min(raw.left, chunk.length - at);
        raw.bytes?.set(chunk.subarray(at, at + step), raw.length - raw.left);
        raw.left -= step;
        at += step;
        if (raw.left > 0) break;
        const { length, bytes } = raw;
        raw = undefined;
        whole = settle({ type: "raw", length, bytes });
      } else {
        if (headLength === 0) head[headLength++] = chunk[at++] as number;
        const step = Math.min(1 + bytesAfter(head[0] as number) - headLength, chunk.length - at);
        headLength += chunk.copy(head, headLength, at, at + step);
        at += step;
        if (headLength <= bytesAfter(head[0] as number)) break;
        headLength = 0;
        whole = begin(kept.length + at - start);
      }
      if (!whole) continue;
      kept.add(part(), true);
      start = at;
      const message = { value: whole, pieces: kept.pieces, length: kept.length };
      kept = pieceKeeper();
      count = 0;
      yield message;
    }
    kept.add(part());
  };
}

function containerOf({ type, values }: Frame): Value {
  if (type === "array") return { type, items: values };
  const entries: [Value, Value][] = [];
  for (let i = 0; i < values.length; i += 2) entries.push([values[i] as Value, values[i + 1] as Value]);
  return { type, entries };
}
