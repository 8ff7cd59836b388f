/** What borg's clients write: msgpack without the bin type, ids and text alike as raw. */
export type Data =
  | null
  | boolean
  | number
  | bigint
  | string
  | Buffer
  | readonly Data[]
  | ReadonlyMap<Data, Data>
  | { readonly [name: string]: Data };

export function encode(data: Data): Buffer {
  if (data === null) return Buffer.of(0xc0);
  if (typeof data === "boolean") return Buffer.of(data ? 0xc3 : 0xc2);
  if (typeof data === "bigint") return encodeInteger(data);
  if (typeof data === "number") {
    return Number.isSafeInteger(data)
      ? encodeInteger(BigInt(data))
      : withHead(0xcb, 8, (head) => head.writeDoubleBE(data, 1));
  }
  if (typeof data === "string") return encode(Buffer.from(data));
  if (Buffer.isBuffer(data)) return Buffer.concat([encodeSize(data.length, 0xa0, 31, 0xda), data]);
  if (Array.isArray(data))
    return Buffer.concat([encodeSize(data.length, 0x90, 15, 0xdc), ...data.map(encode)]);
  const entries = data instanceof Map ? [...data] : Object.entries(data);
  return Buffer.concat([encodeSize(entries.length, 0x80, 15, 0xde), ...entries.flat().map(encode)]);
}

export const call = (id: number, method: string, args: Data = {}): Buffer =>
  encode({ i: id, m: method, a: args });

function encodeInteger(value: bigint): Buffer {
  if (value >= 0n) {
    if (value < 0x80n) return Buffer.of(Number(value));
    if (value < 0x100n) return Buffer.of(0xcc, Number(value));
    if (value < 0x1_0000n) return withHead(0xcd, 2, (head) => head.writeUInt16BE(Number(value), 1));
    if (value < 0x1_0000_0000n) return withHead(0xce, 4, (head) => head.writeUInt32BE(Number(value), 1));
    return withHead(0xcf, 8, (head) => head.writeBigUInt64BE(value, 1));
  }
  if (value >= -32n) return Buffer.of(Number(value) + 0x100);
  if (value >= -0x80n) return withHead(0xd0, 1, (head) => head.writeInt8(Number(value), 1));
  if (value >= -0x8000n) return withHead(0xd1, 2, (head) => head.writeInt16BE(Number(value), 1));
  if (value >= -0x8000_0000n) return withHead(0xd2, 4, (head) => head.writeInt32BE(Number(value), 1));
  return withHead(0xd3, 8, (head) => head.writeBigInt64BE(value, 1));
}

/** The first byte for small sizes holds them; `wide` is followed by 16 bits, and the one after it by 32. */
function encodeSize(size: number, small: number, largest: number, wide: number): Buffer {
  if (size <= largest) return Buffer.of(small + size);
  if (size < 0x1_0000) return withHead(wide, 2, (head) => head.writeUInt16BE(size, 1));
  return withHead(wide + 1, 4, (head) => head.writeUInt32BE(size, 1));
}

function withHead(first: number, bytes: number, write: (head: Buffer) => void): Buffer {
  const head = Buffer.alloc(1 + bytes);
  head[0] = first;
  write(head);
  return head;
}
