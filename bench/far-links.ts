/** The links of link.ts in a process of their own: what they cost is neither in our memory nor in our CPU time. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { openLink } from "./link.ts";

/** As `Link`, but any number of them, and asked over a pipe. */
export interface FarLinks extends AsyncDisposable {
  /** Of each host, in their order. */
  readonly ports: readonly number[];
  /** Over all of them, since it was asked for the last time. */
  bytes(): Promise<{ readonly received: number; readonly sent: number }>;
}

export interface FarLink extends FarLinks {
  readonly port: number;
}

type Told = { readonly ports: readonly number[] } | { readonly received: number; readonly sent: number };

/** @param hosts that have sshd at port 22 */
export async function openFarLinks(
  hosts: readonly string[],
  roundTripMilliseconds: number,
  listen = "127.0.0.1",
): Promise<FarLinks> {
  const args = [String(roundTripMilliseconds), listen, ...hosts];
  const child = fork(fileURLToPath(import.meta.url), args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const told = await answer(child);
  if (!("ports" in told)) throw new Error("links that do not say where they are");
  return {
    ports: told.ports,
    bytes: async () => {
      const coming = answer(child);
      child.send("bytes");
      const bytes = await coming;
      if ("ports" in bytes) throw new Error("links that say where they are twice");
      return bytes;
    },
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, "exit");
      child.kill();
      await gone;
    },
  };
}

export async function openFarLink(
  host: string,
  roundTripMilliseconds: number,
  listen?: string,
): Promise<FarLink> {
  const links = await openFarLinks([host], roundTripMilliseconds, listen);
  const [port = 0] = links.ports;
  return { ...links, port };
}

async function answer(child: ChildProcess): Promise<Told> {
  const ended = new AbortController();
  const exit = once(child, "exit", { signal: ended.signal }).then(([code]) => {
    throw new Error(`the links ended with ${code}`);
  });
  exit.catch(() => {});
  const [told] = await Promise.race([once(child, "message", { signal: ended.signal }), exit]);
  ended.abort();
  return told as Told;
}

async function main([latency, listen, ...hosts]: readonly string[]): Promise<void> {
  const links = await Promise.all(hosts.map((host) => openLink({ host, port: 22 }, Number(latency), listen)));
  const sum = (way: "received" | "sent") => links.reduce((total, { bytes }) => total + bytes[way], 0);
  process.on("message", () => {
    process.send?.({ received: sum("received"), sent: sum("sent") });
    for (const link of links) link.reset();
  });
  process.on("disconnect", () => process.exit());
  process.send?.({ ports: links.map(({ port }) => port) });
}

if (import.meta.main) await main(process.argv.slice(2));
