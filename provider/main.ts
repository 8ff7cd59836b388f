/** The resource plugin's process: serves the kinds until the engine says so or is gone. */
import { openHosts } from "../remote/pool.ts";
import { version } from "../schema/version.ts";
import { kinds } from "./resources/index.ts";
import { serve } from "./server.ts";

const parent = process.ppid;
const stopping = new AbortController();
const hosts = openHosts();

/** How long what runs may take to end: borg on both sides, with its locks and sockets. The engine itself waits for 5 s. */
const longestEndMilliseconds = 20_000;

const server = await serve({
  version,
  kinds,
  hosts,
  signal: stopping.signal,
  engine: process.argv.slice(2).find((argument) => /^[\w.[\]:-]+:\d+$/.test(argument)),
  cancel: () => stopping.abort(new Error("cancelled")),
});

/** Ends what runs, answers for it, and then this process. */
async function stop(): Promise<void> {
  if (ending) return;
  ending = true;
  stopping.abort(new Error("cancelled"));
  setTimeout(() => process.exit(1), longestEndMilliseconds);
  await server.close();
  await hosts[Symbol.asyncDispose]();
  process.exit(0);
}
let ending = false;

process.on("SIGINT", () => void stop()); // the engine, when it has no more need of us
process.on("SIGTERM", () => void stop());
// An engine that was killed says nothing: its child sees that it has another parent.
setInterval(() => {
  if (process.ppid !== parent) void stop();
}, 500).unref();

console.log(String(server.port)); // the engine reads the port from the first line of stdout
