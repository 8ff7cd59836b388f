import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { commandLine, quote } from "../../../remote/quote.ts";

const word = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0") && text.isWellFormed());

test("a real shell gives back every list of words as it was", () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (words) => {
      const script = `for word in ${commandLine(words)}; do printf '%s\\0' "$word"; done`;
      const out = execFileSync("/bin/sh", ["-c", script]).toString();
      assert.deepEqual(out.split("\0").slice(0, -1), words);
    }),
    { numRuns: 150 },
  );
});

test("a NUL byte is refused, not dropped", () => {
  assert.throws(() => quote("a\0b"), TypeError);
});

test("an ordinary word stays readable", () => {
  assert.equal(quote("/etc/ssh/sshd_config.d/60-borgpull.conf"), "/etc/ssh/sshd_config.d/60-borgpull.conf");
  assert.equal(quote("it's"), `'it'\\''s'`);
  assert.equal(quote(""), "''");
});
