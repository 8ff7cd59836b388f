/** sshd's default MaxSessions is 10; two are left to the person who looks at the same time. */
const mostSessions = 8;

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
  return async (session) => {
    for (;;) {
      await new Promise<void>((go) => {
        waiting.push(go);
        next();
      });
      try {
        return await session();
      } catch (error) {
        const refused = error instanceof Error && /open failure|open failed/i.test(error.message);
        if (!refused || open === 1) throw error;
        limit = open - 1;
      } finally {
        open--;
        next();
      }
    }
  };
}
