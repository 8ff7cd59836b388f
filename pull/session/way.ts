import { type Connection, connect } from "../../remote/connect.ts";
import { ReachError, UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import type { Target } from "../../schema/target.ts";
import { readJobFile } from "../job.ts";

/** A connection that is being made. Disposed of, it goes no further, and what it led to is cut. */
export interface Way extends Disposable {
  /**
   * The connection. The signal ends only the making of it: borgctl is to be told first.
   * @throws ReachError; UserError when the key file cannot be used; the signal's reason
   */
  arrive(signal: AbortSignal): Promise<Connection>;
}

/** Begins to connect: eight round trips and the far sshd's work, while home has something else to do. */
export function setOut(target: Target): Way {
  const leaving = new AbortController();
  const connecting = connect(target, { signal: leaving.signal });
  connecting.catch(() => {}); // told to whoever arrives
  return {
    arrive: async (signal) => {
      const leave = () => leaving.abort(signal.reason);
      if (signal.aborted) leave();
      signal.addEventListener("abort", leave, { once: true });
      try {
        const connection = await connecting;
        signal.throwIfAborted();
        return connection;
      } finally {
        signal.removeEventListener("abort", leave);
      }
    },
    [Symbol.dispose]: () => leaving.abort(new Error("not needed any more")),
  };
}

/** Connects; the signal ends only the making of the connection. @throws as `Way.arrive` */
export async function connectUntil(signal: AbortSignal, target: Target): Promise<Connection> {
  signal.throwIfAborted();
  return setOut(target).arrive(signal);
}

/** `pulumi up` may have given the job another pull key since its file was read: that one is tried before the failure counts. */
export async function withNewKey(
  error: unknown,
  { job, pull }: JobFile,
  signal: AbortSignal,
): Promise<Connection> {
  const refused =
    error instanceof ReachError ? error.failure === "login-refused" : error instanceof UserError;
  const now = refused && !signal.aborted ? readJobFile(homePaths().jobFile(job)).pull : pull;
  if (now.auth === pull.auth) throw error;
  return connectUntil(signal, now);
}
