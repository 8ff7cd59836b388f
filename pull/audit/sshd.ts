import type ssh2 from "ssh2";
import type { Connection } from "../../remote/connect.ts";
import { sessionLimit } from "../../remote/session-limit.ts";
import { ReachError } from "../../schema/errors.ts";
import { ask, closeSession, finish, isConnected, openSession, type SessionRequest } from "./channels.ts";
import type { Seen } from "./judge.ts";

/** What an ssh client may ask of sshd once it is let in; each answers with what came of it. */
export interface Sshd {
  /** A request in a session in which nothing runs. */
  request(request: SessionRequest): Promise<Seen>;
  /** Runs something in a session, with this input; no more than the input's end without one. */
  run(what: Run, stdin?: string | Uint8Array): Promise<Seen>;
  /** -R: sshd is to listen on a port or at a path of the VPS. Nobody answers there; it ends with the connection. */
  listen(at: Place): Promise<Seen>;
  /** -L: sshd is to connect to a port or a path, as seen from the VPS. Nothing is sent there. */
  open(to: Place): Promise<Seen>;
  /** How many sessions are open at the same time, when `most` are asked for. */
  sessions(most: number): Promise<Seen>;
}

export type Run =
  | "shell"
  | { readonly subsystem: string }
  | { readonly command: string; readonly env?: Readonly<Record<string, string>> };
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** sshd refuses at once; borgctl may wait a minute for settings that are being changed. */
const answerSeconds = 10;
const runSeconds = 90;

const refused: Seen = { kind: "refused" };
const granted: Seen = { kind: "granted" };

/** Asks the sshd at the other end of an open connection. No question throws for an answer, nor for a connection that ends. */
export function askSshd({ client, closed }: Connection): Sshd {
  const limited = sessionLimit();
  const within = async (seconds: number, work: () => Promise<Seen>): Promise<Seen> => {
    const limit = Promise.withResolvers<Seen>();
    const timer = setTimeout(() => limit.resolve({ kind: "silent", seconds }), seconds * 1000);
    const cut = closed.then((): Seen => ({ kind: "cut" }));
    try {
      const answer = work().catch((error) => {
        if (!isConnected(client)) return cut;
        if (isRefusal(error)) return refused;
        throw error;
      });
      return await Promise.race([answer, limit.promise, cut]);
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    request: (request) =>
      within(answerSeconds, async () => {
        const channel = await limited(() => openSession(client));
        const answer = await ask(client, channel, request);
        await closeSession(channel);
        return answer ? granted : refused;
      }),
    run: async (what, stdin = "") => {
      let channel: ssh2.ClientChannel | undefined;
      const seen = await within(runSeconds, async () => {
        channel = await limited(() => start(client, what));
        return finish(channel, stdin);
      });
      if (seen.kind === "silent") channel?.close();
      return seen;
    },
    listen: (at) => within(answerSeconds, () => listen(client, at)),
    open: (to) => within(answerSeconds, () => open(client, to)),
    sessions: (most) =>
      within(answerSeconds, async () => {
        const channels: ssh2.ClientChannel[] = [];
        try {
          while (channels.length < most) channels.push(await openSession(client));
        } catch (error) {
          if (!isRefusal(error)) throw error;
        }
        await Promise.all(channels.map(closeSession));
        return { kind: "sessions", open: channels.length };
      }),
  };
}

/** What ssh2 says when sshd refuses, and the session limit when sshd opens none for long. */
const isRefusal = (error: unknown): boolean =>
  error instanceof ReachError ||
  (error instanceof Error && /^\(SSH\) Channel open failure|^Unable to /.test(error.message));

function start(client: ssh2.Client, what: Run): Promise<ssh2.ClientChannel> {
  return new Promise((resolve, reject) => {
    const started = (error: Error | undefined, channel: ssh2.ClientChannel) =>
      error ? reject(error) : resolve(channel);
    if (what === "shell") client.shell(false, {}, started);
    else if ("subsystem" in what) client.subsys(what.subsystem, started);
    else client.exec(what.command, what.env ? { env: { ...what.env } } : {}, started);
  });
}

function listen(client: ssh2.Client, at: Place): Promise<Seen> {
  return new Promise((answer, fail) => {
    const listening = (error: Error | null | undefined, port?: number) => {
      if (error) return fail(error);
      if ("port" in at) client.unforwardIn(at.host, port ?? at.port);
      answer(granted);
    };
    if ("path" in at) client.openssh_forwardInStreamLocal(at.path, listening);
    else client.forwardIn(at.host, at.port, listening);
  });
}

function open(client: ssh2.Client, to: Place): Promise<Seen> {
  return new Promise((answer, fail) => {
    const opened = (error: (Error & { reason?: unknown }) | undefined, channel: ssh2.Channel) => {
      channel?.close();
      // A port that sshd tried to reach, and could not, was not refused (RFC 4254, 5.1: 1 is "prohibited"). For a path it tells no difference.
      const tried = "port" in to && isConnected(client) && error?.reason !== 1;
      if (error && !tried) fail(error);
      else answer(granted);
    };
    if ("path" in to) client.openssh_forwardOutStreamLocal(to.path, opened);
    else client.forwardOut("127.0.0.1", 0, to.host, to.port, opened);
  });
}
