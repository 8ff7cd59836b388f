/** A lab's network: one bridge, a network namespace for each host, and no way out. */
import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import { UserError } from "../schema/errors.ts";
import { attempt, command } from "./command.ts";

/** A host's place in it. Interface names have at most 15 characters. */
export interface Link {
  readonly bridge: string;
  readonly veth: string;
  readonly namespace: string;
  readonly address: string;
}

export const bridgeName = (subnet: number) => `bpsb${subnet}`;
/** This machine's address in the lab. */
export const gatewayAddress = (subnet: number) => `10.99.${subnet}.254`;

export const linkOf = (subnet: number, number: number): Link => ({
  bridge: bridgeName(subnet),
  veth: `bpsb${subnet}v${number}`,
  namespace: `bpsb${subnet}n${number}`,
  address: `10.99.${subnet}.${number}`,
});

/** A subnet that no lab has, and that nothing else on this machine uses. */
export async function freeSubnet(taken: ReadonlySet<number>): Promise<number> {
  const routes = await command(["ip", "-4", "route", "show", "table", "all"]);
  for (let subnet = 1; subnet <= 254; subnet++) {
    if (!taken.has(subnet) && !interfaceExists(bridgeName(subnet)) && !routes.includes(`10.99.${subnet}.`)) {
      return subnet;
    }
  }
  throw new UserError(
    "All 254 subnets of the sandbox are in use.",
    "Remove labs: npm run sandbox -- down --all",
  );
}

export async function ensureBridge(subnet: number): Promise<void> {
  const bridge = bridgeName(subnet);
  if (!interfaceExists(bridge)) {
    await command(["ip", "link", "add", bridge, "type", "bridge"]);
    await command(["ip", "address", "add", `${gatewayAddress(subnet)}/24`, "dev", bridge]);
    // A host that is down is to be found out in half a second, not in three.
    await fs.writeFile(`/proc/sys/net/ipv4/neigh/${bridge}/retrans_time_ms`, "150\n");
  }
  await command(["ip", "link", "set", bridge, "up"]);
}

export const removeBridge = (subnet: number) => removeInterface(bridgeName(subnet));

/** Makes the host's namespace and its wire to the bridge; the address is in place before the host boots. */
export async function ensureLink(link: Link): Promise<void> {
  if (!existsSync(`/run/netns/${link.namespace}`)) await command(["ip", "netns", "add", link.namespace]);
  if (!interfaceExists(link.veth)) {
    await command([
      "ip",
      "link",
      "add",
      link.veth,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      link.namespace,
    ]);
    await command(["ip", "link", "set", link.veth, "master", link.bridge]);
    const inside = ["ip", "-n", link.namespace] as const;
    await command([...inside, "address", "add", `${link.address}/24`, "dev", "eth0"]);
    await command([...inside, "link", "set", "eth0", "up"]);
    await command([...inside, "link", "set", "lo", "up"]);
  }
}

/** Plugs the wire in or pulls it: with it out, packets vanish and nobody is told. */
export const setLink = (link: Link, state: "up" | "down") => command(["ip", "link", "set", link.veth, state]);

export async function removeLink(link: Link): Promise<void> {
  await removeInterface(link.veth);
  if (existsSync(`/run/netns/${link.namespace}`)) await command(["ip", "netns", "delete", link.namespace]);
}

const interfaceExists = (name: string) => existsSync(`/sys/class/net/${name}`);

async function removeInterface(name: string): Promise<void> {
  if (!interfaceExists(name)) return;
  await attempt(["ip", "link", "delete", name]); // gone in between, when its namespace went
  if (interfaceExists(name)) throw new Error(`ip link delete ${name}: it is still there`);
}
