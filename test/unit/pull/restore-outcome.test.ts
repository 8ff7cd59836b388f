import assert from "node:assert/strict";
import { test } from "node:test";
import { archiveWord, pathWord } from "../../../pull/borg/contents.ts";
import { listener, outcomeOf } from "../../../pull/restore/outcome.ts";
import { insidePath, isWithin } from "../../../pull/restore/paths.ts";

const log = (levelname: string, message: string) =>
  JSON.stringify({ type: "log_message", levelname, message });

/** What comes of a restore whose borg said that, and ended so. */
function after(code: number | undefined, ...lines: readonly string[]) {
  let fulls = 0;
  const { line, said } = listener(() => fulls++);
  for (const text of lines) line(text);
  return { outcome: outcomeOf(code, said(), "/to"), said: said(), fulls };
}

test("nothing said and 0 is good; a warning is one, whether borg ends with 1 or with a modern code", () => {
  assert.equal(after(0).outcome.kind, "good");
  const warning = log("WARNING", "a/x: makedirs: [Errno 17] File exists: '/to/a'");
  for (const code of [0, 1, 100, 105]) {
    const { outcome, said } = after(code, warning);
    assert.equal(outcome.kind, "warnings");
    assert.deepEqual(said.warnings, ["a/x: makedirs: [Errno 17] File exists"]);
  }
});

test("a full disk ends it at the first file, once, and is the reason whatever borg ends with", () => {
  const full = log("WARNING", "srv/a: write: [Errno 28] No space left on device");
  for (const code of [0, 1, undefined]) {
    const { outcome, fulls } = after(code, full, full);
    assert.equal(fulls, 1);
    assert.ok(outcome.kind === "failed" && outcome.atHome);
    assert.match(outcome.error.message, /^There is no room left in \/to/);
  }
  const { outcome } = after(1, log("WARNING", "[Errno 28] x: y/name of a file: changed"));
  assert.equal(outcome.kind, "warnings");
});

test("a thousand warnings are counted, and the first twenty kept", () => {
  const { said } = after(1, ...Array.from({ length: 1000 }, (_, n) => log("WARNING", `${n}\x1b[31m`)));
  assert.equal(said.warningCount, 1000);
  assert.equal(said.warnings.length, 20);
  assert.equal(said.warnings[0], "0 [31m");
});

test("each way to fail has its sentence, and whether the archive may be why", () => {
  const cases = [
    [220, "confine: /to is not a folder", /^\/to is not a folder\. Give another folder\.$/, true],
    [223, "confine: /to is not empty", /^\/to is not empty\. Give a folder/, true],
    [
      224,
      "confine: / has a file system of the kernel's in it (proc)",
      /\(proc\)\. Restore to a folder/,
      true,
    ],
    [221, "confine: this fails here: mount x", /kept to that folder there: this fails here/, true],
    [222, "confine: borg is not installed", /Install it: apt install borgbackup/, true],
    [1, "unshare: unshare failed: Operation not permitted", /unshare failed: Operation not permitted/, true],
    [127, "", /unshare is missing/, true],
    [
      2,
      log("ERROR", "Failed to create/acquire the lock /r (timeout)."),
      /did not come to its end \(2\)/,
      true,
    ],
    [2, log("ERROR", "Data integrity error: chunk ab"), /Data integrity error: chunk ab/, false],
    [undefined, "", /did not come to its end \(cut off\)/, false],
  ] as const;
  for (const [code, line, message, atHome] of cases) {
    const { outcome } = after(code, line);
    assert.ok(outcome.kind === "failed");
    assert.match(outcome.error.message, message);
    assert.equal(outcome.atHome, atHome, outcome.error.message);
  }
});

test("a path is the same with and without slashes at its ends, and never leaves the archive", () => {
  for (const text of ["/etc/nginx", "etc/nginx", "/etc//nginx/", "./etc/nginx", "/../etc/x/../nginx"]) {
    assert.equal(insidePath(text), "etc/nginx");
  }
  for (const text of ["", "/", ".", ".."]) assert.equal(insidePath(text), "");
  assert.ok(isWithin({ path: "etc/nginx/a" }, "etc/nginx") && isWithin({ path: "etc" }, "etc"));
  assert.ok(!isWithin({ path: "etc/nginx2" }, "etc/nginx") && isWithin({ path: "etc" }, ""));
});

test("a name that a VPS has chosen is no placeholder, and a path no pattern, for borg", () => {
  assert.equal(archiveWord("{hostname}-{now}"), "{{hostname}}-{{now}}");
  assert.equal(pathWord("re:.*"), "pp:re:.*");
});
