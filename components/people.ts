import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../schema/errors.ts";

/** A person's mistake ends the program with its two sentences; the SDK prints a RunError without a stack. */
export function forPeople<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) throw new pulumi.RunError(error.message);
    throw error;
  }
}

/**
 * Keeps the SDK from reporting a failed resource a second time, as an unhandled exception with its stack: under
 * PULUMI_CONTINUE_ON_ERROR each output of such a resource rejects (SDK 3.259, runtime/resource.ts), and the engine has told why.
 */
export function leaveFailuresToTheEngine(): void {
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error, promise) => {
    if (error instanceof Error && /^resource \S+ \[\S+\] failed to register$/.test(error.message)) return;
    for (const listener of others) listener(error, promise);
  });
}
