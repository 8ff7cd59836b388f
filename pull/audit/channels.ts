/** Session channels below ssh2's public calls, which open none without running something in it and ask for no answer to "env". */
import type ssh2 from "ssh2";
import type { Seen } from "./judge.ts";

export type SessionRequest = "terminal" | "x11" | "agent" | { readonly variable: string };

/** Of what a command says, only this much is looked at. */
const mostOutput = 64 * 1024;

/** What is used of ssh2 1.17.0's insides; the version is pinned. */
interface ClientInside {
  readonly _chanMgr: { add(opened: Opened): number };
  readonly _sock?: { readonly writable: boolean };
  readonly _protocol: {
    session(channel: number, window: number, packet: number): void;
    env(channel: number, name: string, value: string, wantReply: true): void;
    pty(
      channel: number,
      rows: number,
      columns: number,
      height: number,
      width: number,
      term: string,
      modes: null,
      wantReply: true,
    ): void;
    x11Forward(
      channel: number,
      x11: {
        readonly single: boolean;
        readonly protocol: string;
        readonly cookie: string;
        readonly screen: number;
      },
      wantReply: true,
    ): void;
    openssh_agentForward(channel: number, wantReply: true): void;
  };
}
interface ChannelInside {
  readonly outgoing: { readonly id: number };
  readonly _callbacks: ((refused: boolean) => void)[];
}
type Opened = ((error: Error | undefined, channel: ssh2.ClientChannel) => void) & { type?: string };

const insideOf = (client: ssh2.Client) => client as unknown as ClientInside;

export const isConnected = (client: ssh2.Client): boolean => insideOf(client)._sock?.writable === true;

/** Opens a session in which nothing runs. Throws when sshd opens none. */
export function openSession(client: ssh2.Client): Promise<ssh2.ClientChannel> {
  const { _chanMgr, _protocol } = insideOf(client);
  return new Promise((resolve, reject) => {
    const opened: Opened = (error, channel) => (error ? reject(error) : resolve(channel));
    opened.type = "session";
    _protocol.session(_chanMgr.add(opened), 1 << 20, 1 << 15);
  });
}

/** Whether sshd grants a request in a session. */
export function ask(
  client: ssh2.Client,
  channel: ssh2.ClientChannel,
  request: SessionRequest,
): Promise<boolean> {
  const { _protocol } = insideOf(client);
  const { outgoing, _callbacks } = channel as unknown as ChannelInside;
  return new Promise((resolve) => {
    _callbacks.push((refused) => resolve(!refused));
    if (request === "terminal") _protocol.pty(outgoing.id, 24, 80, 0, 0, "dumb", null, true);
    else if (request === "agent") _protocol.openssh_agentForward(outgoing.id, true);
    else if (request === "x11") {
      const x11 = { single: true, protocol: "MIT-MAGIC-COOKIE-1", cookie: "0".repeat(32), screen: 0 };
      _protocol.x11Forward(outgoing.id, x11, true);
    } else _protocol.env(outgoing.id, request.variable, "borgpull-audit", true);
  });
}

/** Closes a session, and waits until sshd has too: until then it counts. */
export function closeSession(channel: ssh2.ClientChannel): Promise<void> {
  return new Promise((resolve) => {
    channel.on("error", () => {});
    channel.once("close", () => resolve());
    channel.resume();
    channel.stderr.resume();
    channel.close();
  });
}

/** Gives what runs in a session its input, and collects what it says and how it ends. */
export function finish(channel: ssh2.ClientChannel, stdin: string | Uint8Array): Promise<Seen> {
  const said = { stdout: "", stderr: "" };
  let code: number | undefined;
  const keep = (stream: "stdout" | "stderr") => (data: Buffer) => {
    said[stream] += data.toString("latin1");
    if (said[stream].length > mostOutput) channel.close();
  };
  return new Promise((resolve) => {
    channel.on("error", () => {});
    channel.on("data", keep("stdout"));
    channel.stderr.on("data", keep("stderr"));
    channel.on("exit", (status: number | null) => {
      code = status ?? undefined;
    });
    channel.on("close", (status?: number | null) => {
      code ??= status ?? undefined; // a command that ends at once has emitted "exit" before anyone could listen
      resolve({ kind: "ran", code, ...said });
    });
    channel.end(stdin);
  });
}
