import { setTimeout as wait } from "node:timers/promises";
import type { WaitOptions } from "../pull/lock.ts";
import type { ExecResult } from "../remote/connect.ts";
import { UserError } from "../schema/errors.ts";
import type { Context } from "./kind.ts";

const busy = 75;
const longestWaitSeconds = 600;
const pauseMilliseconds = 1000;
const waiting = "waiting for the running pull to end";

/** How a job's lock at home is waited for, for some seconds' work of `pulumi up`. */
export const untilPullsEnd = (context: Context): WaitOptions => ({
  seconds: longestWaitSeconds,
  forAny: true,
  brief: true,
  by: "pulumi up",
  signal: context.signal,
  onWait: () => context.status(waiting),
});

/**
 * Runs a change of a VPS's files; while a pull holds the lock there (exit 75), waits for its end and says so. The lock stands on the VPS
 * and not at home, so that an `up` from another machine keeps off a running pull too.
 */
export async function betweenPulls(change: () => Promise<ExecResult>, context: Context): Promise<ExecResult> {
  const end = Date.now() + longestWaitSeconds * 1000;
  for (;;) {
    const result = await change();
    if (result.code !== busy) return result;
    if (Date.now() > end) {
      throw new UserError(
        "A pull has been running on this VPS for over ten minutes, and its files are not changed under it.",
        "Run `pulumi up` again when the pull has ended.",
      );
    }
    context.status(waiting);
    await wait(pauseMilliseconds, undefined, { signal: context.signal });
  }
}
