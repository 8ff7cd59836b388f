import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compare, compareConnection } from "../../../provider/compare.ts";
import { unknown } from "../../../provider/values.ts";

test("equal objects have no difference", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      assert.deepEqual(compare(object, structuredClone(object), Object.keys(object)), {});
    }),
  );
});

test("a member of a map differs by its own path", () => {
  const live = { settings: { AcceptEnv: "LANG", "a.b": "1" } };
  const desired = { settings: { AcceptEnv: "BORG_PASSPHRASE", PermitTTY: "no" } };
  assert.deepEqual(compare(live, desired, ["settings"]), {
    "settings.AcceptEnv": { kind: "UPDATE" },
    "settings.PermitTTY": { kind: "ADD" },
    'settings["a.b"]': { kind: "DELETE" },
  });
});

test("a value not known yet is a difference, and a replaced property says so", () => {
  assert.deepEqual(compare({ a: "1", b: "1" }, { a: unknown, b: "2" }, ["a"], ["b"]), {
    a: { kind: "UPDATE" },
    b: { kind: "UPDATE_REPLACE" },
  });
});

test("another address, user or port is no difference; another host key is", () => {
  const at = (host: string, key: string) => ({
    connection: { host, port: 22, user: "root", hostKeys: [key] },
  });
  assert.deepEqual(compareConnection(at("a", "k"), at("b", "k")), {});
  assert.deepEqual(compareConnection(at("a", "k"), at("a", "other")), {
    "connection.hostKeys": { kind: "UPDATE" },
  });
});
