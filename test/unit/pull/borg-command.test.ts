import assert from "node:assert/strict";
import { test } from "node:test";
import { borgCommand } from "../../../pull/attended/borg.ts";

test("a person's borg command is known by its verb, and by whether a rollback could go back to before it", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["list", "list", false],
    ["--info delete ::web1-old", "delete", false],
    ["prune --keep-daily 7", "prune", false],
    ["check", "check", false],
    ["check --repair", "check", true],
    ["--progress compact", "compact", true],
    ["create --comment compact ::x /etc", "create", true], // rather once too often
    ["upgrade", "?", true],
    ["debug put-obj x", "?", true],
  ];
  for (const [words, verb, rewritesLog] of cases)
    assert.deepEqual(borgCommand("web1", words.split(" ")), { verb, rewritesLog }, words);
});
