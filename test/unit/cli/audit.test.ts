import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { table } from "../../../cli/audit.ts";

const attempt = (tried: string, seen: string, holds: boolean) => ({
  tried,
  expected: "refused",
  seen,
  holds,
});
const lines = (width: number) =>
  stripVTControlCharacters(
    table(
      [
        attempt("a terminal", "refused", true),
        attempt("TCP -L to 127.0.0.1:22", "granted", false),
        attempt("a shell", "ran, exit 0: something that a shell said to the audit", false),
      ],
      width,
    ),
  ).split("\n");

test("what does not hold comes first and is marked, in columns", () => {
  assert.deepEqual(lines(120), [
    "      tried                   expected  seen",
    "FAILS TCP -L to 127.0.0.1:22  refused   granted",
    "FAILS a shell                 refused   ran, exit 0: something that a shell said to the audit",
    "ok    a terminal              refused   refused",
  ]);
});

test("on a narrow terminal what was seen goes on below itself", () => {
  assert.deepEqual(lines(70).slice(2, 4), [
    "FAILS a shell                 refused   ran, exit 0: something that a",
    "                                        shell said to the audit",
  ]);
});
