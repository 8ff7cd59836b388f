/** The attacker's own end of a forwarding: something that listens, something that asks, and an agent with a key to borrow. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { command } from "../../sandbox/command.ts";
import { waitFor } from "../e2e/pull-fixture.ts";

export interface SilentServer extends AsyncDisposable {
  readonly socket: string;
  /** Waits for the first connection. */
  connected(): Promise<void>;
}

/** A socket of this machine that takes every connection and never answers: it holds a run at borg's first word. */
export async function silentServer(folder: string): Promise<SilentServer> {
  const socket = path.join(fs.mkdtempSync(path.join(folder, "silent-")), "s");
  const links: net.Socket[] = [];
  const server = net.createServer((link) => links.push(link.on("error", () => {}).resume()));
  await once(server.listen(socket), "listening");
  return {
    socket,
    connected: () => waitFor("a connection to the silent server", () => links.length > 0, 20),
    [Symbol.asyncDispose]: async () => {
      for (const link of links) link.destroy();
      server.close();
    },
  };
}

/** An agent of the attacker's with a key in it. */
export async function sshAgent(
  folder: string,
  keyFile: string,
): Promise<{ readonly socket: string } & AsyncDisposable> {
  const socket = path.join(fs.mkdtempSync(path.join(folder, "agent-")), "s");
  const child = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  await waitFor("the agent", () => fs.existsSync(socket));
  await command(["ssh-add", "-q", keyFile], { env: { SSH_AUTH_SOCK: socket } });
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await once(child, "close");
    },
  };
}

/** A port of this machine that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}

/** Connects, says something, and gives what is answered until the other side ends it (two seconds at most). */
export async function ask(to: net.NetConnectOpts, words: string): Promise<string> {
  const link = net.connect(to);
  let answer = "";
  link
    .on("error", () => {})
    .on("data", (data) => {
      answer += data.toString("latin1");
    });
  link.setTimeout(2000, () => link.destroy());
  link.write(words, "latin1");
  await new Promise((resolve) => link.once("close", resolve));
  return answer;
}
