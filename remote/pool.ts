import { setTimeout as wait } from "node:timers/promises";
import { ReachError } from "../schema/errors.ts";
import type { Target } from "../schema/target.ts";
import { type Connection, connect } from "./connect.ts";
import type { Question } from "./facts/ahead.ts";
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

/**
 * The same machines for whoever only looks: a fact may come from what was read ahead.
 * @param reader names who looks
 * @param along what others are going to ask of the VPS that this one asks of
 */
export function onlyLooking(hosts: Hosts, reader: string, along: readonly Question[]): Hosts {
  const looking = (host: Host): Host => ({ ...host, fact: (fact) => host.foreseen(fact, reader) });
  return {
    ...hosts,
    home: looking(hosts.home),
    vps: async (target) => {
      const host = await hosts.vps(target);
      host.lookAhead(along);
      return looking(host);
    },
  };
}

/** A machine that did not answer is not asked again for this long: eight reads of one dead host wait once. */
const rememberFailureMilliseconds = 10_000;

/** An sshd that reloads closes its socket for a moment, and what was just accepted with it: tried again for this long. */
const reloadMilliseconds = 10_000;

async function loginSoon(target: Target): Promise<void> {
  const end = Date.now() + reloadMilliseconds;
  for (;;) {
    try {
      return await login(target);
    } catch (error) {
      const passing =
        error instanceof ReachError && ["unreachable", "connection-lost"].includes(error.failure);
      if (!passing || Date.now() > end) throw error;
      await wait(100);
    }
  }
}

async function login(target: Target): Promise<void> {
  await using connection = await connect(target);
  const { code, stderr } = await connection.exec("true", { timeoutSeconds: 20 });
  if (code === 0) return;
  throw new ReachError(
    code === undefined ? "connection-lost" : "login-refused",
    `The new login ran no command (${code === undefined ? "cut off" : `exit ${code}: ${stderr.toString().trim()}`}).`,
    "Look at sshd's log.",
  );
}

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
    freshLogin: loginSoon,
    [Symbol.asyncDispose]: async () => {
      const entries = await Promise.allSettled(open.values());
      await Promise.all(
        entries.map((entry) => entry.status === "fulfilled" && entry.value.connection[Symbol.asyncDispose]()),
      );
    },
  };
}
