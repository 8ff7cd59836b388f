import { once } from "node:events";
import * as net from "node:net";
import { setTimeout } from "node:timers/promises";

/** A TCP port at home that leads to a VPS with latency, and counts what goes over it. */
export interface Link extends AsyncDisposable {
  readonly port: number;
  /** From the VPS to home, and from home to the VPS; `reset` begins anew. */
  readonly bytes: { readonly received: number; readonly sent: number };
  reset(): void;
}

/**
 * @param roundTripMilliseconds of what is sent over a connection that is made; making it takes none
 * @param listen this machine's address that it has the port at
 */
export async function openLink(
  to: { readonly host: string; readonly port: number },
  roundTripMilliseconds: number,
  listen = "127.0.0.1",
): Promise<Link> {
  const bytes = { received: 0, sent: 0 };
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = net.connect({ ...to, allowHalfOpen: true, noDelay: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
    }
    const count = (way: "received" | "sent") => (data: Buffer) => {
      bytes[way] += data.length;
    };
    void carry(near, far, roundTripMilliseconds / 2, count("sent"));
    void carry(far, near, roundTripMilliseconds / 2, count("received"));
  });
  server.listen(0, listen);
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    bytes,
    reset: () => {
      bytes.received = 0;
      bytes.sent = 0;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What comes goes out again so much later, however much is on its way: latency, and no limit of speed. */
async function carry(
  from: net.Socket,
  to: net.Socket,
  lateMilliseconds: number,
  onData: (data: Buffer) => void,
): Promise<void> {
  const queue: { readonly due: number; readonly data: Buffer | undefined }[] = [];
  let wake = Promise.withResolvers<void>();
  const add = (data: Buffer | undefined) => {
    queue.push({ due: performance.now() + lateMilliseconds, data });
    wake.resolve();
  };
  from.on("data", (data: Buffer) => {
    onData(data);
    add(data);
  });
  from.on("end", () => add(undefined)).on("close", () => add(undefined));
  for (;;) {
    const next = queue.shift();
    if (!next) {
      wake = Promise.withResolvers<void>();
      await wake.promise;
      continue;
    }
    const wait = next.due - performance.now();
    if (wait > 0.5) await setTimeout(wait);
    if (next.data === undefined) {
      to.end();
      return;
    }
    if (!to.destroyed) to.write(next.data);
  }
}
