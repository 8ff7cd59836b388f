import assert from "node:assert/strict";
import { test } from "node:test";
import { isPassing, retryWaitSeconds } from "../../../pull/attempts/retry.ts";
import type { FailureKind, RunResult } from "../../../pull/result.ts";

const failed = (kind: FailureKind): RunResult => ({
  run: "20261123t000000z-000000000000",
  outcome: "failed",
  failure: { kind, problem: "It failed.", remedy: "Mend it." },
  warnings: [],
});

test("a VPS that cannot be reached is tried again; what needs a person, or has begun a session, is not", () => {
  assert.equal(isPassing(failed("unreachable")), true);
  const kinds: FailureKind[] = [
    "host-key",
    "login-refused",
    "connection-lost",
    "stalled",
    "timed-out",
    "hook-failed",
    "repository-locked",
    "disk-full-home",
    "cancelled",
    "bug",
  ];
  for (const kind of kinds) assert.equal(isPassing(failed(kind)), false, kind);
  assert.equal(isPassing({ run: "20261123t000000z-000000000000", outcome: "good", warnings: [] }), false);
});

test("each wait is twice as long as the one before, up to 15 minutes", () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((tried) => retryWaitSeconds(tried, 60)),
    [60, 120, 240, 480, 900, 900],
  );
});

test("a first wait that is longer than that stays as it is", () => {
  assert.deepEqual(
    [1, 2].map((tried) => retryWaitSeconds(tried, 3600)),
    [3600, 3600],
  );
});
