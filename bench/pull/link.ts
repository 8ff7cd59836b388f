/** The link of ../link.ts in a process of its own: what it costs is neither in our memory nor in our CPU time. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { openLink } from "../link.ts";

/** As `Link`, but asked over a pipe. */
export interface FarLink extends AsyncDisposable {
  readonly port: number;
  /** Since it was asked for the last time. */
  bytes(): Promise<{ readonly received: number; readonly sent: number }>;
}

type Told = { readonly port: number } | { readonly received: number; readonly sent: number };

export async function openFarLink(
  to: { readonly host: string; readonly port: number },
  roundTripMilliseconds: number,
  listen = "127.0.0.1",
): Promise<FarLink> {
  const args = [to.host, String(to.port), String(roundTripMilliseconds), listen];
  const child = fork(fileURLToPath(import.meta.url), args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const told = await answer(child);
  if (!("port" in told)) throw new Error("a link that does not say where it is");
  return {
    port: told.port,
    bytes: async () => {
      const coming = answer(child);
      child.send("bytes");
      const bytes = await coming;
      if ("port" in bytes) throw new Error("a link that says where it is twice");
      return bytes;
    },
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, "exit");
      child.kill();
      await gone;
    },
  };
}

async function answer(child: ChildProcess): Promise<Told> {
  const ended = new AbortController();
  const exit = once(child, "exit", { signal: ended.signal }).then(([code]) => {
    throw new Error(`the link ended with ${code}`);
  });
  exit.catch(() => {});
  const [told] = await Promise.race([once(child, "message", { signal: ended.signal }), exit]);
  ended.abort();
  return told as Told;
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  const [host = "", port, latency, listen] = process.argv.slice(2);
  const link = await openLink({ host, port: Number(port) }, Number(latency), listen);
  process.on("message", () => {
    process.send?.({ ...link.bytes });
    link.reset();
  });
  process.on("disconnect", () => process.exit());
  process.send({ port: link.port });
}
