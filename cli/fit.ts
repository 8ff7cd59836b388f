import { clean } from "../pull/lines.ts";

/**
 * Text for one row of a terminal: cleaned, and cut where it would go beyond so many columns. What may be two columns wide (East Asian,
 * emoji: all from U+1100 on) counts as two, so that it is cut too early rather than too late.
 */
export function fit(text: string, columns: number): string {
  const letters = [...new Intl.Segmenter().segment(clean(text, 2000))].map(({ segment }) => segment);
  const room = letters.reduce((sum, letter) => sum + width(letter), 0) <= columns ? columns : columns - 1;
  let used = 0;
  const shown = letters.findIndex((letter) => {
    used += width(letter);
    return used > room;
  });
  return shown < 0 ? letters.join("") : `${letters.slice(0, shown).join("")}…`;
}

const width = (letter: string): number => ((letter.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2);
