import { UserError } from "../../schema/errors.ts";
import type { Ledger } from "../ledger.ts";
import type { RunResult } from "../result.ts";

interface Where {
  readonly ledger: Ledger;
  readonly onNote?: ((text: string) => void) | undefined;
}

/** What home has to say of a run after its end: shown, recorded, and in its result. A good run becomes one with warnings. */
export function withLateWarnings(
  result: RunResult,
  late: readonly string[],
  { ledger, onNote }: Where,
): RunResult {
  if (late.length === 0) return result;
  for (const warning of late) onNote?.(warning);
  try {
    ledger.addWarnings(result.run, late);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    onNote?.(error.message); // a disk that is full keeps no result from being told
  }
  const outcome = result.outcome === "good" ? "warning" : result.outcome;
  return { ...result, outcome, warnings: [...result.warnings, ...late] };
}
