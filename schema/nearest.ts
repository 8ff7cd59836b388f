/**
 * The known word with the fewest edits to a mistyped one, or undefined when none is near enough to be meant: more than half of its letters
 * must be right.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const scored = known.map((candidate) => ({
    candidate,
    edits: distance(word.toLowerCase(), candidate.toLowerCase()),
  }));
  const best = scored.toSorted((a, b) => a.edits - b.edits)[0];
  if (best === undefined) return undefined;
  const { candidate, edits } = best;
  const most = Math.max(2, Math.floor(candidate.length / 3));
  return edits <= most && edits * 2 < candidate.length ? candidate : undefined;
}

/** Levenshtein's distance, row by row, where two letters that changed places are one edit (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: readonly number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...b].entries()) {
      const swapped = letter === b[column - 1] && other === a[index - 1];
      next.push(
        Math.min(
          (next[column] ?? 0) + 1,
          (row[column + 1] ?? 0) + 1,
          (row[column] ?? 0) + (letter === other ? 0 : 1),
          swapped ? (before[column - 1] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
