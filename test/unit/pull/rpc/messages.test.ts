import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Limits, type Message, messageSplitter } from "../../../../pull/rpc/messages.ts";
import { requestLimits, requestOf } from "../../../../pull/rpc/request.ts";
import { type Value, Violation } from "../../../../pull/rpc/values.ts";
import { call, type Data, encode } from "./encode.ts";

const roomy: Limits = { messageBytes: 1 << 20, depth: 10, values: 10_000, rawBytes: 100 };

const data: fc.Arbitrary<Data> = fc.letrec<{ any: Data }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }),
    fc.double({ noInteger: true, noNaN: true, noDefaultInfinity: true }),
    fc.uint8Array({ maxLength: 70_000 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie("any"), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 40 }), tie("any"), { maxKeys: 20, noNullPrototype: true }),
  ),
})).any;

/** How `Data` comes back. */
function expected(data: Data): Value {
  if (data === null) return { type: "nil" };
  if (typeof data === "boolean") return { type: "boolean", value: data };
  if (typeof data === "bigint") return { type: "integer", value: data };
  if (typeof data === "number") return { type: "float", value: data };
  if (typeof data === "string") return expected(Buffer.from(data));
  if (Buffer.isBuffer(data)) {
    return { type: "raw", length: data.length, bytes: data.length <= roomy.rawBytes ? data : undefined };
  }
  if (Array.isArray(data)) return { type: "array", items: data.map(expected) };
  const entries = Object.entries(data as Record<string, Data>);
  return { type: "map", entries: entries.map(([key, value]) => [expected(key), expected(value)]) };
}

const cuts = fc.array(fc.nat({ max: 200_000 }), { maxLength: 60 });

function* cutAt(stream: Buffer, at: readonly number[]): Generator<Buffer> {
  const places = [0, ...at.map((place) => place % (stream.length + 1)), stream.length].toSorted(
    (a, b) => a - b,
  );
  for (let i = 1; i < places.length; i++) yield Buffer.from(stream.subarray(places[i - 1], places[i]));
}

function split(chunks: Iterable<Buffer>, limits: Limits): Message[] {
  const feed = messageSplitter(limits);
  return [...chunks].flatMap((chunk) => [...feed(chunk)]);
}

test("whatever borg can write is read, however the stream is cut, and comes out byte for byte", () => {
  fc.assert(
    fc.property(fc.array(data, { maxLength: 5 }), cuts, (sent, at) => {
      const encoded = sent.map(encode);
      const messages = split(cutAt(Buffer.concat(encoded), at), roomy);
      assert.deepEqual(
        messages.map(({ value }) => value),
        sent.map(expected),
      );
      assert.ok(Buffer.concat(messages.flatMap(({ pieces }) => pieces)).equals(Buffer.concat(encoded)));
      assert.deepEqual(
        messages.map(({ length }) => length),
        encoded.map((bytes) => bytes.length),
      );
    }),
    { numRuns: 300 },
  );
});

test("a request is read the same when it comes byte by byte, and takes no more memory than its bytes", () => {
  const sent = call(7, "put", { id: Buffer.alloc(32, 1), data: Buffer.alloc(300_000, 2) });
  const [message, ...more] = split(
    [...sent].map((byte) => Buffer.of(byte)),
    requestLimits,
  );
  assert.ok(message && more.length === 0);
  assert.ok(Buffer.concat(message.pieces).equals(sent));
  assert.ok(message.pieces.length <= 10, `${message.pieces.length} pieces`);
  assert.ok(memoryOf(message.pieces) <= 2 * sent.length, `${memoryOf(message.pieces)} bytes`);
});

test("the small end of a large request takes little more memory than its bytes, and a small request that came whole none", () => {
  const sent = call(7, "put", { id: Buffer.alloc(32, 1), data: Buffer.alloc(100_000, 2) });
  const [message] = split([sent.subarray(0, 99_000), sent.subarray(99_000)], requestLimits);
  assert.ok(memoryOf(message?.pieces.slice(1) ?? []) <= 4096);
  const small = Buffer.from(call(8, "put", { id: Buffer.alloc(32, 1), data: Buffer.alloc(200, 2) }));
  const [little] = split([small], requestLimits);
  assert.deepEqual(
    little?.pieces.map((piece) => piece.buffer === small.buffer),
    [true],
  );
});

const memoryOf = (pieces: readonly Buffer[]): number =>
  [...new Set(pieces.map((piece) => piece.buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0);

test("large pieces are handed on without being copied", () => {
  const sent = call(7, "put", { id: Buffer.alloc(32, 1), data: Buffer.alloc(300_000, 2) });
  const [message] = split([sent.subarray(0, 100_000), sent.subarray(100_000)], requestLimits);
  assert.deepEqual(
    message?.pieces.map((piece) => piece.buffer === sent.buffer),
    [true, true],
  );
});

test("no data makes it throw anything but a violation, nor keep more than the limit", () => {
  const limits: Limits = { messageBytes: 5000, depth: 4, values: 64, rawBytes: 100 };
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 20_000 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(data.map(encode), fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.nat())
      .map(([valid, noise, at]) => {
        const copy = Buffer.from(valid);
        copy.set(noise.subarray(0, copy.length), at % Math.max(1, copy.length - noise.length));
        return copy;
      }),
  );
  let violations = 0;
  fc.assert(
    fc.property(garbage, cuts, (stream, at) => {
      const feed = messageSplitter(limits);
      let taken = 0;
      let given = 0;
      try {
        for (const chunk of cutAt(stream, at)) {
          for (const { length, pieces } of feed(chunk)) {
            assert.equal(Buffer.concat(pieces).length, length);
            assert.ok(length <= limits.messageBytes);
            given += length;
          }
          taken += chunk.length;
          assert.ok(taken - given <= limits.messageBytes, `${taken - given} bytes are kept`);
        }
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        violations++;
      }
    }),
    { numRuns: 1000 },
  );
  assert.ok(violations > 100);
});

test("a message that announces a gigabyte is refused at its header", () => {
  const head = encode(new Map([["i", 1]])).subarray(1); // without the map's own byte
  const announced = Buffer.concat([Buffer.of(0x83), head, encode("m"), Buffer.of(0xdb, 0x40, 0, 0, 0)]);
  assert.throws(() => split([announced], requestLimits), Violation);
});

for (const [what, bytes] of [
  ["a bin, which borg's clients do not write", Buffer.of(0xc4, 1, 0)],
  ["an extension", Buffer.of(0xd4, 1, 0)],
  ["the byte that msgpack does not use", Buffer.of(0xc1)],
  ["deep nesting", Buffer.alloc(5, 0x91)],
  ["an array of more values than a request has", encode(Array.from({ length: 64 }, () => null))],
  ["maps of maps", Buffer.alloc(3, 0xdf)],
] as const) {
  test(`${what} is a violation`, () => {
    const stream = Buffer.concat([bytes, Buffer.alloc(8, 0xff)]);
    assert.throws(() => split([stream], requestLimits), Violation);
  });
}

const read = (bytes: Buffer) => requestOf(split([bytes], requestLimits)[0] as Message);

test("a request is the map {i, m, a}, in any order", () => {
  for (const order of [
    ["i", "m", "a"],
    ["a", "m", "i"],
  ] as const) {
    const parts = { i: 3, m: "get", a: { id: "x" } };
    const { id, method, args } = read(encode(new Map<Data, Data>(order.map((key) => [key, parts[key]]))));
    assert.deepEqual({ id, method, args: [...args.keys()] }, { id: 3, method: "get", args: ["id"] });
  }
});

test("negotiate alone comes in the positional form, as every client up to 1.4 sends it first", () => {
  const { id, method, args } = read(encode([1, 1, "negotiate", [{ client_version: [1, 4, 0] }]]));
  assert.deepEqual(
    { id, method, args: [...args.keys()] },
    { id: 1, method: "negotiate", args: ["client_data"] },
  );
  assert.throws(() => read(encode([1, 2, "destroy", []])), Violation);
});

for (const [what, sent] of Object.entries<Data>({
  "a number": 5,
  "a part too few": { i: 1, m: "get" },
  "a part too many": { i: 1, m: "get", a: {}, x: 1 },
  "another part": { i: 1, m: "get", b: {} },
  "a part twice": new Map<Data, Data>([
    ["i", 1],
    ["m", "get"],
    [Buffer.from("m"), "put"],
  ]),
  "a negative id": { i: -1, m: "get", a: {} },
  "an id that is none": { i: "1", m: "get", a: {} },
  "a method that is a number": { i: 1, m: 5, a: {} },
  "a method with a zero byte": { i: 1, m: "get\0", a: {} },
  "arguments in a list": { i: 1, m: "get", a: [1] },
  "an argument's name that is a number": { i: 1, m: "get", a: new Map([[1, 1]]) },
  "an argument twice": {
    i: 1,
    m: "get",
    a: new Map<Data, Data>([
      ["id", 1],
      [Buffer.from("id"), 2],
    ]),
  },
})) {
  test(`${what} is no request`, () => assert.throws(() => read(encode(sent)), Violation));
}
