import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { durationSeconds } from "../../../config/duration.ts";

suite("a duration", () => {
  test("is its parts added up", () => {
    const part = fc.tuple(fc.integer({ min: 1, max: 999_999 }), fc.constantFrom("s", "m", "h", "d", "w"));
    const seconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const text = parts.map(([count, unit]) => `${count}${unit}`).join("");
        const sum = parts.reduce((total, [count, unit]) => total + count * seconds[unit], 0);
        assert.equal(durationSeconds(text), sum);
      }),
    );
  });

  for (const text of [
    "",
    "36",
    "h",
    "1.5h",
    "-1h",
    "0s",
    "0h0m",
    "1h ",
    "1 h",
    "1y",
    "1H",
    "9999999s",
    "1h\n",
  ])
    test(`is not ${JSON.stringify(text)}`, () => assert.equal(durationSeconds(text), undefined));
});
