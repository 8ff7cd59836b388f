import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import fc from "fast-check";
import { requestFilter } from "../../../pull/rpc/filter.ts";
import { toBorg } from "../../../pull/serve/to-borg.ts";
import { call, encode } from "./rpc/encode.ts";

/** As an ssh packet holds it: lengths before, padding behind. */
const packet = (length: number, content: string | Buffer): Buffer =>
  Buffer.alloc(length + 30)
    .subarray(10, length + 10)
    .fill(content);

/** Pieces that come one at a time, as they are. */
const coming = (pieces: readonly Buffer[]): Readable => Readable.from(pieces, { objectMode: false });

// A process, as borg is: a stream of this one would hand on the memory itself.
const cat = () => spawn("cat", { stdio: ["pipe", "pipe", "inherit"], timeout: 5000 });

test("all pieces arrive whole and in order, however fast they come, and the end after them", async () => {
  const borg = cat();
  const arrived = buffer(borg.stdout);
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  const from = coming(letters.map((letter) => packet(32_000, letter)));
  from.pipe(toBorg(borg.stdin, from, () => true));
  assert.equal(`${await arrived}`, letters.map((letter) => letter.repeat(32_000)).join(""));
});

test("behind the filter they do too, however the messages are cut", async () => {
  const beginning = [
    encode([1, 1, "negotiate", [{ client_version: [1, 2, 4] }]]),
    call(2, "open", { path: "/./web1", create: false, lock: true, lock_wait: 1, exclusive: true }),
  ];
  const size = fc.integer({ min: 30_000, max: 90_000 });
  const cut = fc.oneof(
    fc.integer({ min: 1, max: 400 }),
    fc.integer({ min: 4_200, max: 9_000 }),
    fc.integer({ min: 16_400, max: 33_000 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(size, { minLength: 20, maxLength: 60 }),
      fc.array(cut, { minLength: 20, maxLength: 60 }),
      async (objects, cuts) => {
        const puts = objects.map((length, n) =>
          call(3 + n, "put", { id: Buffer.alloc(32, n), data: Buffer.alloc(length, n + 1), wait: false }),
        );
        const all = Buffer.concat([...beginning, ...puts]);
        const pieces: Buffer[] = [];
        for (let at = 0; at < all.length; at += pieces.at(-1)?.length ?? 0) {
          const length = Math.min(cuts[pieces.length % cuts.length] as number, all.length - at);
          pieces.push(packet(length, all.subarray(at, at + length)));
        }
        const borg = cat();
        const arrived = buffer(borg.stdout);
        const filter = requestFilter({
          before: { job: "web1", nonce: 0n },
          existing: { has: async () => false },
          room: async () => undefined,
          onStop: (stop) => borg.kill() && assert.fail(JSON.stringify(stop)),
          onIgnoredPut: () => assert.fail("an object that was there"),
        });
        const from = coming(pieces);
        from.pipe(filter).pipe(toBorg(borg.stdin, from, () => true));
        // not deepEqual, which takes minutes to show the difference
        assert.ok((await arrived).equals(all));
      },
    ),
    { numRuns: 60, endOnFailure: true },
  );
});

test("a packet's memory goes back to the system once borg has it, and one of which another part is elsewhere does not", async () => {
  const stdin = new PassThrough();
  stdin.resume();
  const own = packet(32_000, "a");
  const cut = packet(32_000, "b");
  const block = Buffer.alloc(64_000, "c");
  const shared = block.subarray(0, 32_000);
  const little = Buffer.alloc(100, "d");
  const from = coming([own, cut, shared, little]);
  const input = toBorg(stdin, from, () => true);
  from.on("data", (piece: Buffer) => input.write(piece === cut ? piece.subarray(0, 31_900) : piece));
  from.on("end", () => input.end());
  await once(input, "finish");
  const lengths = [own, cut, block, shared, little].map(({ length }) => length);
  assert.deepEqual(lengths, [0, 32_000, 64_000, 32_000, 100]);
});

test("nor does one that somebody else may have kept", async () => {
  const stdin = new PassThrough();
  stdin.resume();
  const own = packet(32_000, "a");
  const from = coming([own]);
  const input = from.pipe(toBorg(stdin, from, () => false));
  await once(input, "finish");
  assert.equal(own.length, 32_000);
});

test("when borg is gone, the writer is told", async () => {
  const stdin = new PassThrough();
  stdin.on("error", () => {});
  const input = toBorg(stdin, coming([]), () => true);
  stdin.destroy(new Error("EPIPE"));
  input.write(packet(32_000, "a"));
  const [error] = await once(input, "error");
  assert.match(String(error), /EPIPE|destroyed/);
});
