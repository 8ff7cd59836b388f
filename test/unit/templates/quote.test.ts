import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test } from "node:test";
import fc from "fast-check";
import { shellWord, systemdAssignment, systemdWord } from "../../../templates/quote.ts";

/** What a shell or systemd could take for something else, and everything else. */
const word = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ unit: fc.constantFrom(..."'\"\\$`%;&|<>*?~!#(){}[] \t\n=-abc"), maxLength: 40 }),
);
const words = fc.array(
  word.map((text) => text.replaceAll("\0", "").toWellFormed()),
  { maxLength: 20 },
);

suite("a shell word", () => {
  test("is read by /bin/sh as what it was", () => {
    fc.assert(
      fc.property(words, (list) => {
        const script = `for word in ${list.map(shellWord).join(" ")}; do printf '%s\\0' "$word"; done`;
        const read = execFileSync("/bin/sh", ["-c", script], { encoding: "utf8", env: {} }).split("\0");
        assert.deepEqual(read.slice(0, -1), list);
      }),
      { numRuns: 200 },
    );
  });
  test("is so in an assignment of a sourced file too", () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quote-"));
    try {
      fc.assert(
        fc.property(words, ([first = ""]) => {
          fs.writeFileSync(`${folder}/conf`, `value=${shellWord(first)}\n`);
          const read = execFileSync("/bin/sh", ["-euc", `. ${folder}/conf; printf %s "$value"`], {
            encoding: "utf8",
          });
          assert.equal(read, first);
        }),
        { numRuns: 100 },
      );
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
  test("cannot hold a NUL", () => assert.throws(() => shellWord("a\0b"), TypeError));
});

suite("a word of a unit file", () => {
  test("leaves no specifier and no variable", () => {
    assert.equal(systemdWord('/a b/%n/$HOME/"\\'), '"/a b/%%n/$$HOME/\\"\\\\"');
    assert.equal(systemdAssignment("A", '%n $x "'), '"A=%%n $x \\""');
  });
  test("cannot hold a line break", () => {
    assert.throws(() => systemdWord("a\nExecStartPre=/bin/x"), TypeError);
    assert.throws(() => systemdAssignment("A", "a\nb"), TypeError);
  });
});
