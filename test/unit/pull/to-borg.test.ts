import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { toBorg } from "../../../pull/serve/to-borg.ts";

/** As an ssh packet holds it: lengths before, padding behind. */
const packet = (letter: string): Buffer => Buffer.alloc(32_030, letter).subarray(10, 32_010);

test("all pieces arrive whole and in order, however fast they come, and the end after them", async () => {
  // A process, as borg is: a stream of this one would hand on the memory itself.
  const cat = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] });
  const arrived = text(cat.stdout);
  const input = toBorg(cat.stdin, () => true);
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  for (const letter of letters) input.write(packet(letter));
  input.end("the end");
  assert.equal(await arrived, `${letters.map((letter) => letter.repeat(32_000)).join("")}the end`);
});

test("a packet's memory goes back to the system once borg has it, and a block that others use too does not", async () => {
  const stdin = new PassThrough();
  stdin.resume();
  const input = toBorg(stdin, () => true);
  const own = packet("a");
  const block = Buffer.alloc(64_000, "b");
  const shared = block.subarray(0, 32_000);
  const little = Buffer.alloc(100, "c");
  for (const piece of [own, shared, little]) input.write(piece);
  input.end();
  await once(input, "finish");
  assert.deepEqual([own.length, block.length, shared.length, little.length], [0, 64_000, 32_000, 100]);
});

test("nor does one that somebody else may have kept", async () => {
  const stdin = new PassThrough();
  stdin.resume();
  const input = toBorg(stdin, () => false);
  const own = packet("a");
  input.end(own);
  await once(input, "finish");
  assert.equal(own.length, 32_000);
});

test("when borg is gone, the writer is told", async () => {
  const stdin = new PassThrough();
  stdin.on("error", () => {});
  const input = toBorg(stdin, () => true);
  stdin.destroy(new Error("EPIPE"));
  input.write(packet("a"));
  const [error] = await once(input, "error");
  assert.match(String(error), /EPIPE|destroyed/);
});
