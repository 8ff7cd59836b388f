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
