import assert from "node:assert/strict";

/** Nothing in the text that a terminal obeys: no control character (nor C1, nor a bidirectional override), no second line. */
export function harmless(text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  assert.doesNotMatch(text, /[\x00-\x1f\x7f-\x9f\u202a-\u202e]/);
}

/** The same of each of its lines. */
export function harmlessLines(text: string): void {
  for (const line of text.split("\n")) harmless(line);
}
