import { setTimeout as wait } from "node:timers/promises";
import { ReachError } from "../schema/errors.ts";

/** sshd's default MaxSessions is 10; two are left to the person who looks at the same time. */
const mostSessions = 8;
/** sshd frees a session's place a moment after it has closed: alone and refused, it is tried again this often. */
const patience = { tries: 40, milliseconds: 50 };

/**
 * Keeps the sessions open on one connection below what sshd allows: at most eight, and fewer once sshd has refused one
 * (MaxSessions 1 is what hardening guides advise). A refused session is tried again when another has ended.
 */
export function sessionLimit(): <T>(session: () => Promise<T>) => Promise<T> {
  let limit = mostSessions;
  let open = 0;
  const waiting: (() => void)[] = [];
  const next = () => {
    while (open < limit && waiting.length > 0) {
      open++;
      waiting.shift()?.();
    }
  };
  const done = () => {
    open--;
    next();
  };
  return async (session) => {
    for (let refusedAlone = 0; ; ) {
      await new Promise<void>((go) => {
        waiting.push(go);
        next();
      });
      try {
        const result = await session();
        done();
        return result;
      } catch (error) {
        const refused = error instanceof Error && /open failure|open failed/i.test(error.message);
        if (refused) limit = Math.max(1, Math.min(limit, open - 1));
        const alone = open === 1;
        done();
        if (!refused) throw error;
        if (alone && ++refusedAlone > patience.tries) {
          throw new ReachError(
            "login-refused",
            `The login works, but sshd opens no session: ${error.message}.`,
            "Check MaxSessions in its configuration: at least 1 is needed.",
            { cause: error },
          );
        }
        await wait(patience.milliseconds);
      }
    }
  };
}
