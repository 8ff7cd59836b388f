import type { FailureKind, RunResult } from "../pull/result.ts";

/** What scripts and units may rely on; the numbers above 63 are sysexits.h's. */
export const exitCodes = {
  good: 0,
  warnings: 1,
  failed: 2,
  tampered: 3,
  stale: 4,
  usage: 64,
  bug: 70,
  unreachable: 75,
} as const;

const notReached: readonly FailureKind[] = ["unreachable"];

/** A breach that is still open counts, whatever came of this run: nobody may miss it. */
export function exitCodeOf({ outcome, failure, breach }: RunResult): number {
  if (breach || outcome === "tampered") return exitCodes.tampered;
  if (outcome === "good") return exitCodes.good;
  if (outcome === "warning") return exitCodes.warnings;
  return failure && notReached.includes(failure.kind) ? exitCodes.unreachable : exitCodes.failed;
}

/** The code of several runs: the one that needs a person most. */
export function worst(codes: readonly number[]): number {
  const order: readonly number[] = [70, 64, 3, 2, 75, 4, 1, 0];
  return order.find((code) => codes.includes(code)) ?? exitCodes.bug;
}
