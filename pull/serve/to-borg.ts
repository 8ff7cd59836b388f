import { type Readable, Writable } from "node:stream";

/**
 * What is written goes to borg's input, and its memory back to the system as soon as borg has it: left to the garbage collector, a fast
 * backup's data fill a hundred megabytes before they are found dead, and finding that costs more than all the rest (measured).
 * Only that of a piece which is all that `from` gave at once: of one cut out of it, another part may still wait to be written.
 * @param from what the pieces came from, in whatever cuts
 * @param isGiven asked as each piece was taken: `from` keeps nothing of it, if it fills its memory
 */
export function toBorg(stdin: Writable, from: Readable, isGiven: () => boolean): Writable {
  const came = new WeakSet<Buffer>();
  from.on("data", (data: Buffer) => came.add(data));
  const release = (piece: Buffer) => {
    if (came.has(piece) && fillsItsMemory(piece) && isGiven()) (piece.buffer as ArrayBuffer).transfer(0);
  };
  return new Writable({
    highWaterMark: 256 << 10,
    write: (piece: Buffer, _encoding, done) => {
      stdin.write(piece, (error) => {
        release(piece);
        done(error);
      });
    },
    writev: (pieces, done) => {
      stdin.cork();
      const last = pieces.length - 1;
      for (const [n, { chunk }] of pieces.entries()) {
        stdin.write(chunk, (error) => {
          release(chunk as Buffer);
          if (n === last) done(error);
        });
      }
      stdin.uncork();
    },
    final: (done) => {
      stdin.end(done);
    },
  });
}

/** What an ssh packet has around its data, at most: lengths and padding. */
const aroundBytes = 512;

/** It is all that its memory holds, such as one packet's: that is no block that several pieces share. */
const fillsItsMemory = ({ buffer, byteLength }: Buffer): boolean =>
  byteLength > 4096 && buffer.byteLength - byteLength <= aroundBytes && buffer instanceof ArrayBuffer;
