import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { type FilterOptions, requestFilter, type Stop } from "../../../../pull/rpc/filter.ts";
import { harmlessRequest } from "../../../../pull/rpc/request.ts";
import { call, encode } from "./encode.ts";

const id = (byte: number) => Buffer.alloc(32, byte);
const old = id(1);
const beginning = Buffer.concat([
  encode([1, 1, "negotiate", [{ client_version: [1, 2, 4] }]]),
  call(2, "open", { path: "/./web1", create: false, lock: true, lock_wait: 1, exclusive: true }),
]);

interface Passed {
  readonly output: Buffer;
  readonly stops: readonly Stop[];
  readonly ignoredPuts: number;
}

function filterWith(options: Partial<FilterOptions> = {}) {
  const stops: Stop[] = [];
  let ignoredPuts = 0;
  const filter = requestFilter({
    before: { job: "web1", nonce: 0n },
    existing: { has: async (object) => object.equals(old) },
    room: async () => undefined,
    onStop: (stop) => stops.push(stop),
    onIgnoredPut: () => ignoredPuts++,
    ...options,
  });
  return { filter, stops, ignoredPuts: () => ignoredPuts };
}

async function pass(chunks: readonly Buffer[], options: Partial<FilterOptions> = {}): Promise<Passed> {
  const { filter, stops, ignoredPuts } = filterWith(options);
  const output = Buffer.concat(await Readable.from(chunks).pipe(filter).toArray());
  return { output, stops, ignoredPuts: ignoredPuts() };
}

test("what is allowed comes out unchanged, and nothing else, however it is cut", async () => {
  const honest = Buffer.concat([
    beginning,
    call(3, "get", { id: id(0) }),
    call(4, "put", { id: id(2), data: Buffer.alloc(50_000, 5), wait: false }),
    call(5, "put", { id: id(0), data: "manifest" }),
    call(6, "commit", { compact: false }),
  ]);
  const again = call(7, "put", { id: old, data: Buffer.alloc(70_000, 9) });
  const after = call(8, "put", { id: id(3), data: "x" });
  const forbidden = call(9, "delete", { id: old });
  const stream = Buffer.concat([honest, again, after, forbidden, call(10, "put", { id: id(4), data: "y" })]);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: stream.length }), { maxLength: 40 }), async (cuts) => {
      const at = [0, ...cuts, stream.length].toSorted((a, b) => a - b);
      const chunks = at.slice(1).map((end, i) => stream.subarray(at[i], end));
      const { output, stops, ignoredPuts } = await pass(chunks.filter(({ length }) => length > 0));
      // not deepEqual, which takes minutes to show the difference
      assert.ok(output.equals(Buffer.concat([honest, harmlessRequest(7), after])));
      assert.equal(ignoredPuts, 1);
      assert.deepEqual(stops, [
        { refusal: { method: "delete", reason: "it was there before this session" } },
      ]);
    }),
    { numRuns: 50 },
  );
});

test("small messages that came together go on together, in the memory that they came in", async () => {
  const put = (n: number) => call(3 + n, "put", { id: id(2 + n), data: Buffer.alloc(500, n), wait: false });
  const [first, second] = [Array.from({ length: 20 }, (_, n) => put(n)), [put(20), put(21)]].map((puts) =>
    Buffer.concat(puts),
  ) as [Buffer, Buffer];
  const { filter } = filterWith();
  const pieces: Buffer[] = [];
  filter.on("data", (piece: Buffer) => pieces.push(piece));
  Readable.from([beginning, first, second]).pipe(filter);
  await once(filter, "end");
  assert.deepEqual(
    pieces.map((piece) => [piece.buffer, piece.byteOffset, piece.length]),
    [beginning, first, second].map((piece) => [piece.buffer, piece.byteOffset, piece.length]),
  );
});

test("a message that was not sent to its end is not passed on", async () => {
  const put = call(3, "put", { id: id(2), data: Buffer.alloc(1000) });
  const { output, stops } = await pass([beginning, put.subarray(0, -1)]);
  assert.deepEqual([output, stops], [beginning, []]);
});

test("garbage ends the session, with no method to name", async () => {
  const { output, stops } = await pass([beginning, Buffer.from("GET / HTTP/1.1\r\n")]);
  assert.deepEqual(output, beginning);
  assert.deepEqual(stops, [
    { refusal: { method: "?", reason: "a message that is not a request as borg clients send it" } },
  ]);
});

test("an object that home has no room for is not passed on", async () => {
  let put = 0;
  const { output, stops } = await pass([beginning, call(3, "put", { id: id(2), data: Buffer.alloc(1000) })], {
    room: async (bytes) => {
      put += bytes;
      return "space";
    },
  });
  assert.deepEqual([output, stops], [beginning, [{ fullAtHome: "space" }]]);
  assert.ok(put >= 1000 && put < 1200, `${put} bytes`);
});

test("a repository that cannot be read any more is an error, not a refusal", async () => {
  const broken = new Error("read error");
  const { stops } = await pass([beginning, call(3, "delete", { id: id(2) })], {
    existing: { has: () => Promise.reject(broken) },
  });
  assert.deepEqual(stops, [{ error: broken }]);
});

test("a borg serve that does not read holds the sender up", async () => {
  const { filter } = filterWith();
  filter.write(beginning);
  const put = call(3, "put", { id: id(2), data: Buffer.alloc(2_000_000) });
  assert.equal(filter.write(put), false);
  let drained = false;
  filter.once("drain", () => {
    drained = true;
  });
  await new Promise(setImmediate);
  assert.equal(drained, false);
  filter.resume();
  await once(filter, "drain");
});
