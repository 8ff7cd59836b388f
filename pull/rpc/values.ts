/** A stream that is not the msgpack that a borg client writes, or too much of it. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** One decoded object. Of a long raw (a chunk's data) only the length is known. */
export type Value =
  | { readonly type: "nil" }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "integer"; readonly value: bigint }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "raw"; readonly length: number; readonly bytes: Buffer | undefined }
  | { readonly type: "array"; readonly items: readonly Value[] }
  | { readonly type: "map"; readonly entries: readonly (readonly [Value, Value])[] };

/** What a first byte and those that belong to it say: a value, or what comes next and how much of it. */
export type Token =
  | Exclude<Value, { readonly type: "raw" | "array" | "map" }>
  | { readonly type: "raw" | "array" | "map"; readonly size: number };

/** How many bytes of length or number come after a first byte (msgpack's spec.md, "Formats"). */
export function bytesAfter(first: number): number {
  switch (first) {
    case 0xcc: // uint 8
    case 0xd0: // int 8
    case 0xd9: // str 8
      return 1;
    case 0xcd:
    case 0xd1:
    case 0xda:
    case 0xdc: // array 16
    case 0xde: // map 16
      return 2;
    case 0xca: // float 32
    case 0xce:
    case 0xd2:
    case 0xdb:
    case 0xdd:
    case 0xdf:
      return 4;
    case 0xcb: // float 64
    case 0xcf:
    case 0xd3:
      return 8;
    default:
      return 0;
  }
}

/** @throws Violation for what borg's clients never write: bin and ext types (use_bin_type=False), the unused first byte */
export function tokenOf(head: Buffer): Token {
  const first = head[0] as number;
  if (first <= 0x7f) return { type: "integer", value: BigInt(first) };
  if (first <= 0x8f) return { type: "map", size: first & 0x0f };
  if (first <= 0x9f) return { type: "array", size: first & 0x0f };
  if (first <= 0xbf) return { type: "raw", size: first & 0x1f };
  if (first >= 0xe0) return { type: "integer", value: BigInt(first - 0x100) };
  switch (first) {
    case 0xc0:
      return { type: "nil" };
    case 0xc2:
    case 0xc3:
      return { type: "boolean", value: first === 0xc3 };
    case 0xca:
      return { type: "float", value: head.readFloatBE(1) };
    case 0xcb:
      return { type: "float", value: head.readDoubleBE(1) };
    case 0xcc:
    case 0xcd:
    case 0xce:
      return { type: "integer", value: BigInt(head.readUIntBE(1, bytesAfter(first))) };
    case 0xcf:
      return { type: "integer", value: head.readBigUInt64BE(1) };
    case 0xd0:
    case 0xd1:
    case 0xd2:
      return { type: "integer", value: BigInt(head.readIntBE(1, bytesAfter(first))) };
    case 0xd3:
      return { type: "integer", value: head.readBigInt64BE(1) };
    case 0xd9:
    case 0xda:
    case 0xdb:
      return { type: "raw", size: head.readUIntBE(1, bytesAfter(first)) };
    case 0xdc:
    case 0xdd:
      return { type: "array", size: head.readUIntBE(1, bytesAfter(first)) };
    case 0xde:
    case 0xdf:
      return { type: "map", size: head.readUIntBE(1, bytesAfter(first)) };
    default:
      throw new Violation("data that no borg client writes");
  }
}
