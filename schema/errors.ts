/** A mistake or a state of the world that a person can mend: one sentence of cause, one of remedy. Anything else thrown is a bug. */
export class UserError extends Error {
  override readonly name: string = "UserError";
  readonly problem: string;
  readonly remedy: string;
  constructor(problem: string, remedy: string, options?: ErrorOptions) {
    super(`${problem} ${remedy}`, options);
    this.problem = problem;
    this.remedy = remedy;
  }
}

/** What keeps us from a machine: told apart because Read, Delete and the exit code treat them differently. */
export type ReachFailure = "unreachable" | "host-key" | "login-refused" | "sudo-refused" | "connection-lost";

/** The machine could not be reached, or did not let us in. */
export class ReachError extends UserError {
  override readonly name = "ReachError";
  readonly failure: ReachFailure;
  constructor(failure: ReachFailure, problem: string, remedy: string, options?: ErrorOptions) {
    super(problem, remedy, options);
    this.failure = failure;
  }
}

/** The text of anything thrown: a person's error in its two sentences, a bug with its stack. */
export function describe(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
