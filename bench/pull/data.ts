/** What is backed up in the benches: the same bytes every time, and of each kind as much as a small server has. */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

export type DataSize = "full" | "small";

/**
 * Fills a folder with 1.2 GB: 600 MB that nothing compresses, 440 MB of words, 120 MB of source code, 10,000 files of 200 to 8,000 bytes.
 * "small" is a twentieth of it.
 */
export function fillTree(folder: string, size: DataSize): void {
  const share = size === "full" ? 1 : 1 / 20;
  const mega = 1_000_000;
  const random = randomFrom(1);
  const words = Array.from({ length: 5000 }, () => wordOf(random, 3 + below(random, 8)));
  for (let n = 1; n <= 6; n++) {
    writePieces(path.join(folder, "rnd", `${n}.bin`), 100 * mega * share, noise(n));
  }
  for (let n = 0; n < 4; n++) {
    writePieces(path.join(folder, "text", `log${n}.txt`), 110 * mega * share, lines(random, words, " ", 12));
  }
  // Fewer words and more that repeats: sources compress twice as well as logs.
  writePieces(
    path.join(folder, "text", "sources.c"),
    120 * mega * share,
    lines(random, words.slice(0, 300), "_t const *", 6),
  );
  const small = noise(7);
  for (let n = 0; n < 10_000 * share; n++) {
    const file = path.join(folder, "small", String(Math.floor(n / 200)), `${n % 200}`);
    writePieces(file, 200 + below(random, 7801), small);
  }
}

/** Writes so many bytes, of pieces as long as they are asked for. */
export function writePieces(file: string, bytes: number, next: (bytes: number) => Buffer): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const fd = fs.openSync(file, "w");
  try {
    for (let left = Math.round(bytes); left > 0; ) {
      const piece = next(Math.min(left, 1 << 20)).subarray(0, left);
      fs.writeSync(fd, piece);
      left -= piece.length;
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** An endless cipher stream: the same for the same number, and nothing compresses it. */
export function noise(seed: number): (bytes: number) => Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed);
  const cipher = crypto.createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  return (bytes) => cipher.update(Buffer.alloc(bytes));
}

function lines(
  random: () => number,
  words: readonly Buffer[],
  between: string,
  perLine: number,
): (bytes: number) => Buffer {
  const glue = Buffer.from(between);
  const end = Buffer.from("\n");
  return () => {
    const pieces: Buffer[] = [];
    for (let n = 0; n < 2000 * perLine; n++) {
      pieces.push(words[below(random, words.length)] as Buffer, n % perLine === perLine - 1 ? end : glue);
    }
    return Buffer.concat(pieces);
  };
}

const wordOf = (random: () => number, letters: number): Buffer =>
  Buffer.from(Array.from({ length: letters }, () => 97 + below(random, 26)));

const below = (random: () => number, limit: number): number => Math.floor(random() * limit);

/** Marsaglia's xorshift32: 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
