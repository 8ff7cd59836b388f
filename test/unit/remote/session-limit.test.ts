import assert from "node:assert/strict";
import { test } from "node:test";
import { sessionLimit } from "../../../remote/session-limit.ts";

/** A server that allows `most` sessions at a time; what it saw. */
function server(most: number) {
  const seen = { open: 0, peak: 0, refused: 0 };
  const session = async () => {
    if (seen.open >= most) {
      seen.refused++;
      throw new Error("(SSH) Channel open failure: open failed");
    }
    seen.peak = Math.max(seen.peak, ++seen.open);
    await new Promise((resolve) => setTimeout(resolve, 5));
    seen.open--;
    return "done";
  };
  return { seen, session };
}

test("never more than eight sessions at a time, and all of them come to their turn", async () => {
  const { seen, session } = server(10);
  const limited = sessionLimit();
  const results = await Promise.all(Array.from({ length: 50 }, () => limited(session)));
  assert.equal(results.length, 50);
  assert.equal(seen.peak, 8);
  assert.equal(seen.refused, 0);
});

test("a server that allows one or three at a time gets no more once it has refused, and nothing is lost", async () => {
  for (const most of [1, 3]) {
    const { seen, session } = server(most);
    const limited = sessionLimit();
    const results = await Promise.all(Array.from({ length: 20 }, () => limited(session)));
    assert.deepEqual(new Set(results), new Set(["done"]));
    assert.equal(results.length, 20);
    const refused = seen.refused;
    await Promise.all(Array.from({ length: 20 }, () => limited(session)));
    assert.equal(seen.refused, refused, "it remembers");
  }
});

test("a server that never allows one is an error in the end, and another error is one at once", async () => {
  const limited = sessionLimit();
  await assert.rejects(limited(server(0).session), /open failed/);
  let calls = 0;
  await assert.rejects(
    limited(async () => {
      calls++;
      throw new Error("something else");
    }),
    /something else/,
  );
  assert.equal(calls, 1);
});
