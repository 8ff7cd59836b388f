/** What happens while `borgpull run` runs: every view shows these, each in its own way. */
import type { Pause } from "../../pull/attempts.ts";
import type { Progress } from "../../pull/progress.ts";
import type { RunResult } from "../../pull/result.ts";
import { exitCodeOf, exitCodes } from "../exit-code.ts";

export type RunEvent =
  /** A try begins. */
  | { readonly type: "start"; readonly job: string }
  | { readonly type: "progress"; readonly job: string; readonly progress: Progress }
  /** What home does after the pull, such as "compacting 40%". */
  | { readonly type: "step"; readonly job: string; readonly text: string }
  | { readonly type: "pause"; readonly job: string; readonly pause: Pause }
  /** A line worth a person's eye, cleaned. */
  | { readonly type: "note"; readonly job: string; readonly text: string }
  | { readonly type: "end"; readonly job: string; readonly end: End };

export type End =
  | { readonly kind: "ran"; readonly result: RunResult }
  /** No run could begin, or it met a bug. */
  | { readonly kind: "refused"; readonly code: number; readonly reason: string }
  /** Somebody else pulls it right now, which is as good. */
  | { readonly kind: "skipped"; readonly reason: string };

/** Told all events, and disposed of after the last one. */
export interface View extends Disposable {
  readonly show: (event: RunEvent) => void;
}

export function codeOf(end: End): number {
  if (end.kind === "ran") return exitCodeOf(end.result);
  return end.kind === "refused" ? end.code : exitCodes.good;
}
