import { ReachError } from "../schema/errors.ts";
import type { Target } from "../schema/target.ts";
import { type Connection, connect } from "./connect.ts";
import type { Host } from "./host.ts";
import { localHost } from "./local.ts";
import { sshHost } from "./ssh.ts";

/** Hands out machines: one connection each, opened when first asked for and closed with the pool. */
export interface Hosts extends AsyncDisposable {
  readonly home: Host;
  /** The VPS at this target. Throws ReachError. */
  vps(target: Target): Promise<Host>;
  /** A login of its own, apart from the shared connection: proves that one can still get in. */
  freshLogin(target: Target): Promise<void>;
}

/** A machine that did not answer is not asked again for this long: eight reads of one dead host wait once. */
const rememberFailureMilliseconds = 10_000;

export function openHosts(): Hosts {
  const open = new Map<string, Promise<{ readonly connection: Connection; readonly host: Host }>>();
  const home = localHost();
  return {
    home,
    vps: async (target) => {
      const key = JSON.stringify(target);
      let entry = open.get(key);
      if (!entry) {
        entry = connect(target).then((connection) => ({ connection, host: sshHost(connection) }));
        open.set(key, entry);
        const forget = () => open.get(key) === entry && open.delete(key);
        entry.then(
          ({ connection }) => connection.closed.then(forget),
          (error) =>
            error instanceof ReachError && error.failure === "unreachable"
              ? setTimeout(forget, rememberFailureMilliseconds).unref()
              : forget(),
        );
      }
      return (await entry).host;
    },
    freshLogin: async (target) => {
      await using connection = await connect(target);
      const { code } = await connection.exec("true", { timeoutSeconds: 20 });
      if (code !== 0)
        throw new ReachError("login-refused", "The new login ran no command.", "Look at sshd's log.");
    },
    [Symbol.asyncDispose]: async () => {
      const entries = await Promise.allSettled(open.values());
      await Promise.all(
        entries.map((entry) => entry.status === "fulfilled" && entry.value.connection[Symbol.asyncDispose]()),
      );
    },
  };
}
