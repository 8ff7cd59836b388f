import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import type { Served } from "../../../pull/serve.ts";
import { classify } from "../../../pull/session/classify.ts";
import type { Context, SessionFacts } from "../../../pull/session/facts.ts";
import type { Message, Report } from "../../../pull/session/messages.ts";
import { ReachError } from "../../../schema/errors.ts";

interface Case {
  readonly name: string;
  readonly facts: {
    readonly ended?: "lost" | "cancelled" | "stalled" | "timed-out";
    readonly exitCode?: number;
    readonly report?: true;
    readonly greeting?: false;
    readonly messages?: readonly Message[];
    readonly serveMessages?: readonly string[];
    readonly refused?: number;
    readonly served?: Partial<Served>;
  };
  readonly expect: {
    readonly outcome: "good" | "warning" | "failed";
    readonly kind?: string;
    readonly text?: string;
    readonly warnings?: readonly string[];
    readonly failedDumps?: readonly string[];
  };
}

const context: Context = { host: "web1", instance: "borgpull", totalSeconds: 3600, stallSeconds: 60 };
const figures = { files: 1, originalBytes: 2, compressedBytes: 2, newBytes: 1, seconds: 1 };
const report: Report = { id: "ab".repeat(32), name: "web1-run", figures };
const cases = JSON.parse(fs.readFileSync(new URL("classify.cases.json", import.meta.url), "utf8")) as Case[];

function factsOf({ facts }: Case): SessionFacts {
  return {
    stage: "ran",
    ended: facts.ended ?? "exit",
    exitCode: facts.exitCode,
    ...(facts.greeting === false
      ? {}
      : { greeting: { borgctl: "1", borg: "1.2.4", relay: "nc", privilege: "user" } }),
    ...(facts.report ? { report } : {}),
    messages: facts.messages ?? [],
    served: {
      connected: true,
      refused: facts.refused ?? 0,
      bytesIn: 1,
      bytesOut: 1,
      messages: facts.serveMessages ?? [],
      ignoredPuts: 0,
      ...facts.served,
    },
  };
}

for (const one of cases) {
  test(`classify: ${one.name}`, () => {
    const verdict = classify(factsOf(one), context);
    assert.equal(verdict.outcome, one.expect.outcome);
    if (one.expect.warnings) assert.deepEqual(verdict.warnings, one.expect.warnings);
    if (verdict.outcome !== "failed") {
      assert.deepEqual(verdict.failedDumps, one.expect.failedDumps ?? []);
      return;
    }
    assert.equal(verdict.failure.kind, one.expect.kind);
    assert.match(`${verdict.failure.problem} ${verdict.failure.remedy}`, new RegExp(one.expect.text ?? "."));
    assert.doesNotMatch(verdict.failure.problem, /HOST/);
    assert.match(verdict.failure.problem, /\.$/);
  });
}

for (const [seconds, warnings] of [
  [240, []],
  [600, ["The clock of web1 is 10 minutes ahead of home's: set one of them right."]],
  [-2 * 86_400, ["The clock of web1 is 48 hours behind home's: set one of them right."]],
] as const) {
  test(`classify: a VPS whose clock is ${seconds} s off`, () => {
    const time = 1_800_000_000;
    const greeting = {
      borgctl: "1",
      borg: "1.2.4",
      relay: "nc",
      privilege: "user",
      time: time + seconds,
    } as const;
    const facts = factsOf({ name: "", facts: { exitCode: 0, report: true }, expect: { outcome: "good" } });
    const verdict = classify({ ...facts, greeting, greeted: time * 1000 } as SessionFacts, context);
    assert.deepEqual({ outcome: verdict.outcome, warnings: verdict.warnings }, { outcome: "good", warnings });
  });
}

test("classify: what keeps us from the host keeps its own words", () => {
  const error = new ReachError("host-key", "It shows another key.", "Compare.");
  const verdict = classify({ stage: "connect", error }, context);
  assert.deepEqual(verdict, {
    outcome: "failed",
    failure: { kind: "host-key", problem: "It shows another key.", remedy: "Compare." },
    warnings: [],
  });
});
