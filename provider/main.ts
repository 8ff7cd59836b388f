/** The resource plugin's process: serves the kinds until the engine says so or is gone. */
import { openHosts } from "../remote/pool.ts";
import { kinds } from "./resources/index.ts";
import { serve } from "./server.ts";

const version = "0.1.0";
const parent = process.ppid;
const stopping = new AbortController();
const hosts = openHosts();

/** What runs is ended: borg on both sides, locks and sockets go with it. Then there is nothing left to do here. */
async function stop(): Promise<void> {
  if (stopping.signal.aborted) return;
  stopping.abort(new Error("cancelled"));
  await hosts[Symbol.asyncDispose]();
}

process.on("SIGINT", () => void stop());
process.on("SIGTERM", () => void stop());
// An engine that was killed says nothing: its child sees that it has another parent.
setInterval(() => {
  if (process.ppid === parent) return;
  void stop().then(() => setTimeout(() => process.exit(1), 5000).unref());
}, 500).unref();

const port = await serve({
  version,
  kinds,
  hosts,
  signal: stopping.signal,
  engine: process.argv.slice(2).find((argument) => /^[\w.[\]:-]+:\d+$/.test(argument)),
  cancel: () => void stop(),
});
console.log(String(port)); // the engine reads the port from the first line of stdout
