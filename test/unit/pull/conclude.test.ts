import assert from "node:assert/strict";
import { test } from "node:test";
import type { Breach } from "../../../pull/ledger.ts";
import { conclude } from "../../../pull/run/conclude.ts";
import type { Verdict } from "../../../pull/session/classify.ts";

const id = "ab".repeat(32);
const name = "web1-run-0001";
const figures = { files: 1, originalBytes: 2, compressedBytes: 2, newBytes: 1, seconds: 1 };
const at = { job: "web1", run: "run-0001", host: "web1.example.com" };
const good = { outcome: "good", report: { id, name, figures }, warnings: ["w"], failedDumps: [] } as const;
const failed: Verdict = {
  outcome: "failed",
  failure: { kind: "stalled", problem: "It stalled.", remedy: "Look." },
  warnings: [],
};
const own = { id, name, run: "run-0001", trust: "good", seen: 1 } as const;
const breach: Breach = {
  number: 1,
  job: "web1",
  repository: "r",
  found: 0,
  after: 1,
  upTo: 2,
  runs: ["run-0001"],
  findings: [{ kind: "config-changed" }],
};

test("a backup is good when the VPS says so, and the repository has its archive, whole, under the id that it reported", () => {
  assert.deepEqual(conclude(at, good, { own }), {
    outcome: "good",
    archive: { id, name },
    figures,
    warnings: ["w"],
  });
  const refused = [
    conclude(at, good, {}),
    conclude(at, good, { own: { ...own, id: "cd".repeat(32) } }),
    conclude(at, { ...good, report: { id, name: "other", figures } }, { own }),
    conclude(at, good, { own: { ...own, trust: "unconfirmed", problem: "missing chunk" } }),
  ];
  for (const { outcome, failure } of refused) {
    assert.deepEqual([outcome, failure?.kind], ["failed", "not-verified"]);
  }
  assert.match(refused[3]?.failure?.problem ?? "", /missing chunk/);
});

test("a breach goes before everything that the VPS says; what else went wrong is kept as a warning", () => {
  for (const verdict of [good, failed]) {
    const { outcome, failure } = conclude(at, verdict, { breach, own });
    assert.deepEqual([outcome, failure?.kind], ["tampered", "tampered"]);
    assert.match(failure?.problem ?? "", /config or key changed/);
    assert.match(failure?.remedy ?? "", /borgpull rollback web1.*borgpull accept web1/);
  }
  assert.deepEqual(conclude(at, failed, { breach }).warnings, ["It stalled."]);
});

test("a run that failed after its archive was made has failed, and its archive is known", () => {
  const ending = conclude(at, failed, { own });
  assert.deepEqual([ending.outcome, ending.archive], ["failed", { id, name }]);
});

test("a repository that could not be looked at makes no run good", () => {
  const trouble = { kind: "not-verified", problem: "Locked.", remedy: "Wait." } as const;
  assert.deepEqual(conclude(at, good, trouble).failure, trouble);
  const ending = conclude(at, failed, trouble);
  assert.deepEqual([ending.failure?.kind, ending.warnings], ["stalled", ["Locked."]]);
});

test("dumps that failed are on record with the run", () => {
  const ending = conclude(at, { ...good, outcome: "warning", failedDumps: ["shop"] }, { own });
  assert.deepEqual([ending.outcome, ending.failedDumps], ["warning", ["shop"]]);
});
