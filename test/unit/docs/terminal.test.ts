import assert from "node:assert/strict";
import { test } from "node:test";
import { spansOf, svg } from "../../../docs/pictures/terminal.ts";

test("colours and bold last until they are reset", () => {
  const spans = spansOf("a \x1b[1m\x1b[38;5;1mred\x1b[39m bold\x1b[0m plain");
  assert.deepEqual(
    spans.map(({ text, bold, colour }) => [text, bold, colour !== undefined]),
    [
      ["a ", false, false],
      ["red", true, true],
      [" bold", true, false],
      [" plain", false, false],
    ],
  );
});

test("words stand in the columns that they had in the terminal, whatever colour comes before", () => {
  const at = (line: string) => /x="([\d.]+)"[^>]*>b</.exec(svg([line], 20, "alt"))?.[1];
  assert.ok(at("a    b"));
  assert.equal(at("\x1b[31ma\x1b[0m    \x1b[32mb\x1b[0m"), at("a    b"));
});

test("what XML gives a meaning is escaped", () => {
  assert.match(svg(["a <b> & c"], 20, "<alt>"), /a &lt;b&gt; &amp; c/);
});
