const smallBytes = 16 << 10;
const firstBytes = 4 << 10;
const blockBytes = 64 << 10;

/**
 * The pieces of one message. Small ones of a message that came in several are copied together: kept as they come, a message sent byte by byte
 * would take a hundred times its size.
 */
export function pieceKeeper() {
  const pieces: Buffer[] = [];
  let length = 0;
  let block: Buffer | undefined;
  let used = 0;
  /** Of all pieces that were copied. */
  let copied = 0;
  /** The last piece ends where the block's free part begins. */
  let open = 0;
  const append = (piece: Buffer) => {
    if (!block || block.length - used < piece.length) {
      // As large as all such before it: most messages have one, and what is allocated for nothing has to be collected.
      block = Buffer.allocUnsafeSlow(Math.max(firstBytes, Math.min(copied, blockBytes), piece.length));
      used = 0;
      open = 0;
    }
    used += piece.copy(block, used);
    if (open > 0) pieces.pop();
    pieces.push(block.subarray(used - piece.length - open, used));
    open += piece.length;
    copied += piece.length;
  };
  return {
    pieces: pieces as readonly Buffer[],
    get length() {
      return length;
    },
    /** @param last the message ends with it */
    add(piece: Buffer, last = false) {
      if (piece.length === 0) return;
      const whole = last && length === 0;
      length += piece.length;
      if (piece.length < smallBytes && !whole) return append(piece);
      pieces.push(piece);
      open = 0;
    },
  };
}
