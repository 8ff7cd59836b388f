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
 * Has a resource that failed told in one sentence, and not as an unhandled exception with its stack: under
 * PULUMI_CONTINUE_ON_ERROR each output of such a resource rejects (SDK 3.259, runtime/resource.ts), after the engine has told why.
 * The program must still fail: of one that ends well, the engine deletes what was not declared, and that is all that waited for the
 * resource that failed.
 */
export function tellFailuresInASentence(): void {
  const others = process.listeners("unhandledRejection");
  const told = new Map<string, Error>();
  const sentence = (name: string): Error => {
    const error =
      told.get(name) ?? new pulumi.RunError(`${name} failed; what depends on it was left as it is.`);
    told.set(name, error); // the SDK tells one error object once
    return error;
  };
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error, promise) => {
    const name =
      error instanceof Error
        ? /^resource (\S+) \[\S+\] failed to register$/.exec(error.message)?.[1]
        : undefined;
    for (const listener of others) listener(name === undefined ? error : sentence(name), promise);
  });
}
