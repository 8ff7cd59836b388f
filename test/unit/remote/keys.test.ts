import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keyPlaces, parseKeyLine, renderKeyLine } from "../../../remote/facts/keys.ts";

const blob = "AAAAC3NzaC1lZDI1NTE5AAAAIGZ4dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q";
const name = fc.constantFrom(
  "restrict",
  "port-forwarding",
  "from",
  "permitopen",
  "expiry-time",
  "command",
  "environment",
);
const value = fc
  .string({ unit: fc.constantFrom(..."abc \"',=\\/:*#$".split("")), minLength: 1 })
  .filter((text) => !/\\("|$)/.test(text));

test("a line that was written is read back as it was", () => {
  fc.assert(
    fc.property(
      fc.dictionary(name, fc.option(value, { nil: "" })),
      fc
        .string({ unit: fc.constantFrom(..."abc=/.- ".split("")) })
        .map((text) => text.trim().replace(/ +/g, " ")),
      (options, comment) => {
        const key = `ssh-ed25519 ${blob}`;
        assert.deepEqual(parseKeyLine(renderKeyLine({ options, key, comment })), {
          options: { ...options },
          key,
          comment,
        });
      },
    ),
  );
});

test("a line without options, a comment and a broken line", () => {
  assert.deepEqual(parseKeyLine(`ssh-ed25519 ${blob} me@home`), {
    options: {},
    key: `ssh-ed25519 ${blob}`,
    comment: "me@home",
  });
  assert.equal(parseKeyLine("# ssh-ed25519 AAAA"), undefined);
  assert.equal(parseKeyLine('command="x ssh-ed25519 AAAA'), undefined);
});

test("a value that sshd could not read back is refused", () => {
  const line = (text: string) =>
    renderKeyLine({ options: { command: text }, key: `ssh-ed25519 ${blob}`, comment: "" });
  assert.throws(() => line("a\nb"));
  assert.throws(() => line('a\\"b'));
});

test("the places of a key are read with file and line number", () => {
  const output = Buffer.from(`/root/.ssh/authorized_keys:3:ssh-ed25519 ${blob} a:b\n`);
  assert.deepEqual(keyPlaces(blob).parse(output), [
    { file: "/root/.ssh/authorized_keys", line: 3, text: `ssh-ed25519 ${blob} a:b` },
  ]);
});

test("restrict stands first, whatever the order of the options: it takes away what was given before it", () => {
  const options = { "port-forwarding": "", restrict: "", command: "borgctl web1" };
  assert.match(
    renderKeyLine({ options, key: `ssh-ed25519 ${blob}`, comment: "" }),
    /^restrict,port-forwarding,command=/,
  );
});
