import assert from "node:assert/strict";
import { test } from "node:test";
import { type DueFacts, describeAge, due } from "../../../pull/due.ts";

const now = Date.UTC(2026, 0, 10);
const hoursAgo = (hours: number) => now - hours * 3_600_000;
const facts: DueFacts = {
  job: "web1",
  policy: "stale",
  request: undefined,
  lastGood: hoursAgo(1),
  archiveThere: true,
  staleAfterSeconds: 36 * 3600,
  now,
};

const cases: readonly (readonly [name: string, change: Partial<DueFacts>, reason: string | undefined])[] = [
  ["a young backup is not pulled again", {}, undefined],
  ["an old one is", { lastGood: hoursAgo(80) }, "the last good backup is 3 d old"],
  [
    "one of a time to come is, since nobody knows how old it is",
    { lastGood: hoursAgo(-30) },
    "the last good backup is of a time to come: home's clock was set back",
  ],
  ["none at all is", { lastGood: undefined }, "no good backup yet"],
  [
    "one whose archive is gone is",
    { archiveThere: false },
    "the repository is not as the last good backup left it",
  ],
  ["always means always", { policy: "always" }, "pulled on every up"],
  ["never means never", { policy: "never", lastGood: undefined }, undefined],
  ["BORGPULL_PULL=never goes before all", { request: "never", policy: "always" }, undefined],
  ["BORGPULL_PULL=all pulls a young one", { request: "all" }, "asked for by BORGPULL_PULL"],
  ["BORGPULL_PULL names jobs", { request: "db1, web1" }, "asked for by BORGPULL_PULL"],
  ["a job it does not name is left alone", { request: "db1", lastGood: undefined }, undefined],
];
for (const [name, change, reason] of cases)
  test(name, () => assert.equal(due({ ...facts, ...change }), reason));

test("an age is told in the unit that a person would use", () => {
  assert.deepEqual([90, 600, 7300, 200_000].map(describeAge), ["90 s", "10 min", "2 h", "2 d"]);
});
