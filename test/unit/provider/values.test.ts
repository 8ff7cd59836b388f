import assert from "node:assert/strict";
import { test } from "node:test";
import {
  holdsUnknown,
  reveal,
  sealInputs,
  sealOutputs,
  secretNames,
  unknown,
} from "../../../provider/values.ts";

const secret = (value: string) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  value,
});

test("a secret is revealed to the kind and sealed on the way back", () => {
  const news = { path: "/etc/x", content: secret("hunter2") };
  const names = secretNames(news);
  const plain = reveal(news) as { path: string; content: string };
  assert.deepEqual(plain, { path: "/etc/x", content: "hunter2" });
  assert.deepEqual(sealInputs(plain, names), news);
});

test("what is computed where a secret took part is sealed too", () => {
  const news = { options: { from: secret("10.0.0.1") } };
  const out = sealOutputs(
    { options: { from: "10.0.0.1" }, line: 'from="10.0.0.1"' },
    { options: "" },
    secretNames(news),
  );
  assert.deepEqual(
    Object.values(out).map((value) => typeof value === "object" && value && "value" in value),
    [true, true],
  );
});

test("without a secret nothing is sealed", () => {
  assert.deepEqual(sealOutputs({ a: "1", b: "2" }, { a: "1" }, new Set()), { a: "1", b: "2" });
});

test("an unknown is found at any depth", () => {
  assert.equal(holdsUnknown({ a: [{ b: unknown }] }), true);
  assert.equal(holdsUnknown({ a: ["known"] }), false);
});
