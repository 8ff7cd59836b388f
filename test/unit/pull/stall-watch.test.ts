import assert from "node:assert/strict";
import { test } from "node:test";
import { stallWatch } from "../../../pull/session/stall-watch.ts";

test("it fires when nothing came for so long, and not while something comes", (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  using watch = stallWatch(60);
  for (let minute = 0; minute < 10; minute++) {
    context.mock.timers.tick(59_000);
    watch.alive();
  }
  context.mock.timers.tick(60_000);
  assert.equal(watch.signal.aborted, false);
  context.mock.timers.tick(3000);
  assert.equal(watch.signal.aborted, true);
});
