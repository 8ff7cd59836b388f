import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { growthPerWeek } from "../../../pull/status/growth.ts";
import { parseTimers } from "../../../pull/status/next-run.ts";
import { repositoryBytes } from "../../../pull/status.ts";

const day = 86_400_000;
const now = Date.UTC(2026, 10, 23);

test("growth is the difference over the last four weeks, by the week; less than a week says nothing", () => {
  const sized = (...sizes: readonly (readonly [number, number])[]) =>
    sizes.map(([ago, repositoryBytes]) => ({ started: now - ago * day, repositoryBytes }));
  assert.equal(growthPerWeek(sized([0, 300], [14, 100], [29, 7000]), now), 100);
  assert.equal(growthPerWeek(sized([0, 100], [14, 300]), now), -100);
  assert.equal(growthPerWeek(sized([0, 300], [6, 100]), now), undefined);
  assert.equal(growthPerWeek([], now), undefined);
});

test("timers: the next time of each that is active, and one that has none while its service runs", () => {
  const text =
    '[{"next":1795402800123456,"left":1,"last":0,"unit":"borgpull-a.timer"},{"next":null,"unit":"borgpull-b.timer"}]';
  assert.deepEqual(Object.fromEntries(parseTimers(text)), {
    "borgpull-a.timer": { kind: "at", time: 1_795_402_800_123 },
    "borgpull-b.timer": { kind: "unknown" },
  });
});

test("a repository's size is that of its segments, without what was moved aside", (t) => {
  const repository = fs.mkdtempSync(path.join(os.tmpdir(), "size-"));
  t.after(() => fs.rmSync(repository, { recursive: true }));
  assert.equal(repositoryBytes(repository), undefined);
  fs.mkdirSync(path.join(repository, "data/0"), { recursive: true });
  fs.mkdirSync(path.join(repository, "aside"));
  fs.writeFileSync(path.join(repository, "data/0/1"), "x".repeat(70));
  fs.writeFileSync(path.join(repository, "data/0/2"), "x".repeat(30));
  fs.writeFileSync(path.join(repository, "aside/3"), "x".repeat(5000));
  assert.equal(repositoryBytes(repository), 100);
});
