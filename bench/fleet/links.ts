/**
 * `node bench/fleet/links.ts MILLISECONDS HOST:PORT...`: a port at home for each, with latency, in a process of its own, so that its CPU is
 * counted for nobody. Prints the ports as JSON, and ends with its standard input.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { openLink } from "../link.ts";

export interface Links extends AsyncDisposable {
  readonly ports: readonly number[];
}

export async function openLinks(hosts: readonly string[], milliseconds: number): Promise<Links> {
  const argv = [fileURLToPath(import.meta.url), String(milliseconds), ...hosts.map((host) => `${host}:22`)];
  const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    ports: JSON.parse(line.toString()) as number[],
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    },
  };
}

async function main([milliseconds, ...places]: readonly string[]): Promise<void> {
  const links = await Promise.all(
    places.map((place) => {
      const [host = "", port] = place.split(":");
      return openLink({ host, port: Number(port) }, Number(milliseconds));
    }),
  );
  process.stdout.write(JSON.stringify(links.map(({ port }) => port)));
  process.stdin.on("end", () => process.exit()).resume();
}

if (import.meta.main) await main(process.argv.slice(2));
