import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { nearest } from "../../../schema/nearest.ts";

const options = ["address", "hostKey", "schedule", "staleAfter", "keep", "exclude"];

suite("the nearest option", () => {
  test("of a slip of one letter is the option", () => {
    fc.assert(
      fc.property(fc.constantFrom(...options), fc.nat(), fc.constantFrom("x", ""), (option, at, letter) => {
        const place = at % option.length;
        const slip = option.slice(0, place) + letter + option.slice(place + 1);
        assert.equal(nearest(slip, options), option);
      }),
    );
  });
  test("of two letters that changed places is the option", () => {
    fc.assert(
      fc.property(fc.constantFrom(...options), fc.nat(), (option, at) => {
        const place = at % (option.length - 1);
        const slip = option.slice(0, place) + option[place + 1] + option[place] + option.slice(place + 2);
        assert.equal(nearest(slip, options), option);
      }),
    );
  });
  test("does not look at case", () => assert.equal(nearest("HOSTKEY", options), "hostKey"));
  test("of something else is none", () => assert.equal(nearest("banana", options), undefined));
  test("of a word that shares no more than half of its letters is none", () =>
    assert.equal(nearest("most", ["read-all", "user", "root"]), undefined));
});
