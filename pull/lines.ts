/** Lines longer than this are cut: borg's longest is a path of 4 KiB, escaped. */
const longest = 32 * 1024;

/** Text of a VPS or of borg, fit for a terminal and a record: no control characters (nor C1, nor bidirectional overrides), bounded. */
export function clean(text: string, limit = 500): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is removed
  const plain = text.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, " ").trim();
  return plain.length > limit ? `${plain.slice(0, limit - 1)}…` : plain;
}

/**
 * Splits a stream of bytes into lines, whatever a hostile sender does: a line is cut at 32 KiB and the rest of it dropped.
 * @param options.lines hand on no more than this many
 */
export function lineReader(
  onLine: (line: string) => void,
  options: { readonly lines?: number } = {},
): (data: Buffer) => void {
  let parts: Buffer[] = [];
  let size = 0;
  let left = options.lines ?? Number.POSITIVE_INFINITY;
  return (data) => {
    let rest = data;
    while (rest.length > 0) {
      const end = rest.indexOf(0x0a);
      const piece = end < 0 ? rest : rest.subarray(0, end);
      if (size < longest) parts.push(piece.subarray(0, longest - size));
      size += piece.length;
      if (end < 0) return;
      rest = rest.subarray(end + 1);
      const line = Buffer.concat(parts).toString("utf8");
      parts = [];
      size = 0;
      if (line.trim() && left-- > 0) onLine(line);
    }
  };
}

/** Text in lines of that many characters, broken at blanks; as wide as a terminal if nothing is said. */
export function wrap(text: string, width = 78): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** With a full stop, where it has no end of its own. */
export const sentence = (text: string): string => (/[.!?…]$/.test(text) ? text : `${text}.`);
