/**
 * The one real host that the fleet is made of: a booted Debian that a real `pulumi up` has made ready and pulled, through an address of the
 * loopback network that a stand-in takes over afterwards, with the same host key. What it answers to a preview is kept.
 */
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { openStack, type Stack, writeConfig } from "../../sandbox/demo/stack.ts";
import { openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { idsOf } from "./home.ts";
import { addressOf, nameOf, type Original } from "./names.ts";
import { run } from "./pulumi.ts";
import type { Task } from "./stand-in.ts";
import { openStandIns } from "./stand-ins.ts";

/** When a backup is stale, if nothing is to be changed. */
export const usually = "36h";

export interface Recorded {
  readonly stack: Stack;
  readonly original: Original;
  /** What all stand-ins have in common. */
  readonly task: Pick<Task, "port" | "hostKey" | "adminKey" | "answers">;
  /** The stack's state, as `pulumi stack export` writes it. */
  readonly state: string;
  /** The config of so many hosts. */
  config(hosts: number, staleAfter: string): Readonly<Record<string, unknown>>;
}

/** @param folder of the stack and of everything at home */
export async function recordOriginal(name: string, folder: string): Promise<Recorded> {
  await using lab = await openLab();
  const host = await lab.boot({ name: nameOf(0), base: "debian12", login: "root" });
  const stack = await openStack(name, folder);
  const identity = path.join(folder, "admin_key");
  for (const end of ["", ".pub"]) fs.copyFileSync(`${lab.adminKeyFile}${end}`, `${identity}${end}`);
  const hostKey = host.hostKeys[0] as string;
  const relay = await openRelay(host.address);
  const { port } = relay;
  const knownHosts = path.join(folder, "known_hosts");
  // The engine hands the whole config to the program in one variable, which Linux limits to 128 kB: what hosts can share, they share.
  const config: Recorded["config"] = (hosts, staleAfter) => {
    const numbers = Array.from({ length: hosts }, (_, n) => n);
    const lines = numbers.map((n) => `[${addressOf(n)}]:${port} ${hostKey}\n`);
    fs.writeFileSync(knownHosts, lines.join(""));
    const shared = { port, user: "root", identity, knownHosts, exclude: ["*.cache", "/var/www/tmp"] };
    return {
      repositories: stack.repositories,
      defaults: { ...shared, keep: { daily: 14, weekly: 8, monthly: 12 }, staleAfter },
      hosts: Object.fromEntries(
        numbers.map((n) => [nameOf(n), { address: addressOf(n), paths: ["/etc/ssh", "/etc/apt"] }]),
      ),
    };
  };
  await writeConfig(stack, config(1, usually));
  await run(stack, ["stack", "select", "--create"]);
  await run(stack, ["up", "--yes", "--skip-preview"]);
  await relay.close();

  const { stateDb } = homePaths({ ...stack.env });
  const original = { name: nameOf(0), address: addressOf(0), ids: idsOf(stateDb, nameOf(0)) };
  const keys = {
    port,
    hostKey: fs.readFileSync(path.join(host.root, "etc/ssh/ssh_host_ed25519_key"), "utf8"),
    adminKey: fs.readFileSync(`${identity}.pub`, "utf8").split(" ").slice(0, 2).join(" "),
  };
  await using standIn = await openStandIns({ ...keys, original, hosts: 1, answers: [], real: host.target() });
  await run(stack, ["preview", "--expect-no-changes"], { BORGPULL_PULL: "never" });
  const answers = await standIn.answers();
  const state = (await run(stack, ["stack", "export"])).out;
  return { stack, original, task: { ...keys, answers }, state, config };
}

/** The real host's sshd under the address of the first stand-in. */
async function openRelay(to: string): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = net.connect({ host: to, port: 22, allowHalfOpen: true, noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket
        .on("error", () => socket.destroy())
        .on("close", () => {
          sockets.delete(socket);
          other.destroy(); // an sshd that reloads refuses for a moment: that is to be seen on this side too
        });
    }
    near.pipe(far).pipe(near);
  });
  server.listen(0, addressOf(0));
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
