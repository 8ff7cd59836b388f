/** Everything that an ssh client can ask an sshd to forward, asked at once, and what came of it. */
import * as path from "node:path";
import type { Host } from "../../sandbox/lab.ts";
import { ask, freePort, silentServer, sshAgent } from "./local-ends.ts";
import type { Client } from "./openssh.ts";

export interface Forwarded {
  /** Ports that are listened on there meanwhile. */
  readonly ports: readonly string[];
  /** Sockets of agents and displays there. */
  readonly sockets: readonly string[];
  /** What came back, the name of each way through -> its first bytes. */
  readonly answers: Readonly<Record<string, string>>;
  /** How many forwardings to this machine were refused. */
  readonly refused: number;
}

/**
 * @param at where on the host the one socket is to be that holds the session open
 * @param command connects to it
 */
export async function tryForwarding(
  host: Host,
  client: Client,
  folder: string,
  { at, command, keyFile }: { readonly at: string; readonly command: string; readonly keyFile: string },
): Promise<Forwarded> {
  await using silent = await silentServer(folder);
  await using agent = await sshAgent(folder, keyFile);
  const [direct, socks, unix] = [
    await freePort(),
    await freePort(),
    path.join(path.dirname(silent.socket), "d"),
  ];
  const inward = ["2222:127.0.0.1:22", "1:127.0.0.1:22", "0.0.0.0:3333:127.0.0.1:22", "4444"];
  const outward = [
    "-L",
    `${direct}:127.0.0.1:22`,
    "-D",
    `${socks}`,
    "-L",
    `${unix}:/run/dbus/system_bus_socket`,
  ];
  const run = client.begin(
    [
      ...["-R", `${at}:${silent.socket}`, "-o", "SendEnv=BORG_PASSPHRASE", "-A", "-X"],
      ...inward.flatMap((forward) => ["-R", forward]),
      ...outward,
    ],
    command,
    { BORG_PASSPHRASE: "x", SSH_AUTH_SOCK: agent.socket, DISPLAY: ":7" },
  );
  await silent.connected();
  const ports = await host.run("ss -Hltn | awk '{ print $4 }' | sed 's/.*://' | sort -nu");
  const sockets = await host.run(
    "find /tmp /run -path '*ssh-*' -name 'agent.*' -o -path '/tmp/.X11-unix/X*'",
  );
  const answers = {
    port: await ask({ port: direct }, ""),
    socks: await ask({ port: socks }, "\x04\x01\x00\x16\x7f\x00\x00\x01\x00"), // SOCKS 4: connect to 127.0.0.1:22
    bus: await ask({ path: unix }, "\0AUTH\r\n"),
  };
  run.child.stdin.end();
  run.child.kill();
  const { stderr } = await run.ended;
  return {
    ports: ports.trim().split("\n"),
    sockets: sockets.split("\n").filter(Boolean),
    answers,
    refused: stderr.match(/remote port forwarding failed/g)?.length ?? 0,
  };
}
