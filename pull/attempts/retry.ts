/** Whether a run that failed is tried again, and when: pure decisions. */
import type { Failure, FailureKind, RunResult } from "../result.ts";

/**
 * Only where nothing of a session took place, so that a second try cannot do anything twice.
 * unreachable: no name, no route, refused, no answer, or cut off before the login; a reboot or a bad link looks like this, and passes.
 * Not: connection-lost, stalled, timed-out, as a session was under way, hooks and all; repository-locked, as limits.lockWait has been waited
 * for; host-key, login-refused, forwarding-refused, command-refused, as a person has to look; disk-full, as nobody makes room meanwhile.
 */
const passing: readonly FailureKind[] = ["unreachable"];

export const isPassing = ({ outcome, failure }: RunResult): boolean =>
  outcome === "failed" && passes(failure);

export const passes = (failure: Failure | undefined): boolean =>
  failure !== undefined && passing.includes(failure.kind);

const longestSeconds = 15 * 60;

/** How long to wait after a try that failed: `firstSeconds`, then twice as long each time, up to 15 minutes. @param tried how many did */
export const retryWaitSeconds = (tried: number, firstSeconds: number): number =>
  Math.min(firstSeconds * 2 ** (tried - 1), Math.max(longestSeconds, firstSeconds));
