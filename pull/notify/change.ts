import type { Tellable } from "../../schema/notify.ts";
import type { State } from "../status.ts";

/** What there is to do for one channel: say something, remember something, both, or neither. */
export interface Change {
  readonly tell?: Tellable;
  /** What the channel knows from then on: recorded only once it was told, where there is something to tell. */
  readonly remember?: string;
}

/** @default of a channel's `on` */
const usual: readonly Tellable[] = ["failed", "tampered", "stale", "recovered"];

/**
 * Decides what a channel is told, so that it hears of each change once.
 * @param before what it was told last; undefined: nothing yet
 * @param on what it wants to hear of
 */
export function changeOf(before: string | undefined, now: State, on: readonly Tellable[] = usual): Change {
  if (now === "never") return {}; // nothing has happened yet
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
