import assert from "node:assert/strict";
import { test } from "node:test";
import { percentReader } from "../../../pull/borg/percent.ts";

const line = (fields: Record<string, unknown>) =>
  JSON.stringify({ type: "progress_percent", msgid: "archive.delete", finished: false, ...fields });

test("progress is handed on at most four times a second, and every end", () => {
  let now = 0;
  const seen: unknown[] = [];
  const read = percentReader(
    ({ share }) => seen.push(share),
    () => now,
  );
  read(line({ current: 1, total: 4 }));
  read(line({ current: 2, total: 4 }));
  now = 250;
  read(line({ current: 3, total: 4 }));
  read(line({ finished: true }));
  assert.deepEqual(seen, [0.25, 0.75, undefined]);
});

test("other lines, cut ones and impossible figures are nothing", () => {
  const seen: unknown[] = [];
  const read = percentReader((percent) => seen.push(percent));
  for (const text of [
    "Traceback",
    '{"type": "log_message", "message": "x"}',
    line({ current: 1, total: 2 }).slice(0, -5),
    line({ current: 1, total: 0 }),
    line({ current: "1", total: 2 }),
  ]) {
    read(text);
  }
  assert.deepEqual(seen, []);
  read(line({ current: 9, total: 2 }));
  assert.deepEqual(seen, [{ msgid: "archive.delete", share: 1 }]);
});
