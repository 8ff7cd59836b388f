import type { Tellable } from "../../schema/notify.ts";
import type { State } from "../status.ts";

/** What there is to do for one channel: say something, remember something, both, or neither. */
export interface Change {
  readonly tell?: Tellable;
  /** What the channel knows from then on: recorded only once it was told, where there is something to tell. */
  readonly remember?: string;
}

/** @default of a channel's `on` */
const usual: readonly Tellable[] = ["failed", "tampered", "stale", "dumps-failed", "recovered"];

/** How a job stands, as far as it makes a difference to who is told. */
export type Told = State | "dumps-failed";

/**
 * Decides what a channel is told, so that it hears of each change once.
 * @param before what it was told last, as `remember` had it; undefined: nothing yet
 * @param on what it wants to hear of
 * @param stale the last good backup is too old; beside a worse state that is news of its own, and may be all that a channel wants to hear of
 */
export function changeOf(
  before: string | undefined,
  state: Told,
  on: readonly Tellable[] = usual,
  stale = false,
): Change {
  const wasLate = before?.endsWith(late) ?? false;
  const known = wasLate ? before?.slice(0, -late.length) : before;
  const change = changeOfState(known, state, on);
  if (state === "stale" || state === "good" || !on.includes("stale")) return change;
  if (!stale) return wasLate ? { remember: known as string, ...change } : change;
  if (change.remember !== undefined) return { ...change, remember: `${change.remember}${late}` };
  if (wasLate || known === "stale") return {};
  return { tell: "stale", remember: known === undefined || known === "good" ? "stale" : `${known}${late}` };
}

/** Of what is remembered: it was told besides that the last good backup is too old. */
export const late = "+stale";

function changeOfState(before: string | undefined, state: Told, on: readonly Tellable[]): Change {
  if (state === "never") return {}; // nothing has happened yet
  const now = state === "dumps-failed" && !on.includes(state) ? "warning" : state;
  const knowsTrouble = before !== undefined && before !== "good";
  // Warnings mean that a backup was made: who does not want to hear of them counts them as good.
  if (now === "good" || (now === "warning" && !on.includes(now))) {
    if (!knowsTrouble) return {};
    return { ...(on.includes("recovered") ? { tell: "recovered" } : {}), remember: "good" };
  }
  // One that is not wanted is no recovery of the one that was told.
  if (!on.includes(now) || before === now) return {};
  return { tell: now, remember: now };
}
