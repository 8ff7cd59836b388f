/** A TCP link to a host that a test can hold, cut or slow down, without either end being told. */
import { once } from "node:events";
import * as net from "node:net";

export interface Link extends AsyncDisposable {
  /** On 127.0.0.1; what connects here reaches the host. */
  readonly port: number;
  /** Everything under way stands still, and so does what begins; nothing is lost. */
  hold(): void;
  release(): void;
  /** What is connected now is dead from now on: what is sent vanishes, an end is not passed on. New connections are well. */
  cut(): void;
  /** Resolves when the next connection comes, which is then held. */
  holdNext(): Promise<void>;
  /** Resolves when so many bytes more have gone to the host; then everything is held. */
  holdAfter(bytes: number): Promise<void>;
  /** Of whatever goes on from now; undefined is the wire as it is. */
  shape: Shape | undefined;
}

export interface Shape {
  /** One way. */
  readonly latencyMilliseconds: number;
  /** In each direction; not given: as fast as it goes. */
  readonly bytesPerSecond?: number;
  /** From time to time nothing passes for so long. */
  readonly stall?: { readonly everyMilliseconds: number; readonly milliseconds: number };
}

interface Pair {
  readonly client: net.Socket;
  readonly host: net.Socket;
  dead: boolean;
}

export async function openLink(to: { readonly host: string; readonly port: number }): Promise<Link> {
  const pairs = new Set<Pair>();
  let held = false;
  let free = Promise.withResolvers<void>();
  free.resolve();
  let arrived: (() => void) | undefined;
  let budget: { left: number; readonly reached: () => void } | undefined;
  const began = performance.now();

  const hold = () => {
    if (held) return;
    held = true;
    free = Promise.withResolvers<void>();
  };
  const release = () => {
    held = false;
    free.resolve();
  };

  const deliver = async (pair: Pair, into: net.Socket, piece: Buffer, toHost: boolean): Promise<void> => {
    await free.promise;
    if (toHost && budget) {
      budget.left -= piece.length;
      if (budget.left <= 0) {
        hold();
        budget.reached();
        budget = undefined;
      }
    }
    if (!pair.dead && !into.write(piece)) await Promise.race([once(into, "drain"), once(into, "close")]);
  };

  /** Passes one direction on, piece by piece, at the pace of the shape. */
  const pass = async (pair: Pair, from: net.Socket, into: net.Socket, toHost: boolean): Promise<void> => {
    let last = Promise.resolve();
    try {
      for await (const data of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        for (const piece of pieces(data, link.shape)) {
          const { shape } = link;
          if (shape) await pause((piece.length / (shape.bytesPerSecond ?? Number.POSITIVE_INFINITY)) * 1000);
          const arrives = performance.now() + (shape?.latencyMilliseconds ?? 0);
          last = last.then(async () => {
            if (shape) await pause(arrives - performance.now());
            if (shape?.stall) await pause(stallLeft(shape.stall, performance.now() - began));
            await deliver(pair, into, piece, toHost);
          });
          if (!shape) await last;
        }
      }
      await last;
      await free.promise;
      if (!pair.dead) into.end();
    } catch {
      await free.promise;
      if (!pair.dead) into.destroy();
    }
  };

  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    client.on("error", () => {});
    if (arrived) {
      hold();
      arrived();
      arrived = undefined;
    }
    const host = new net.Socket({ allowHalfOpen: true });
    host.on("error", () => {});
    const pair: Pair = { client, host, dead: false };
    pairs.add(pair);
    void free.promise.then(async () => {
      if (pair.dead) return;
      try {
        host.connect(to);
        await once(host, "connect");
        await Promise.all([pass(pair, client, host, true), pass(pair, host, client, false)]);
      } catch {
        // not reached: the client is told
      }
      if (pair.dead) return;
      client.destroySoon();
      host.destroySoon();
      pairs.delete(pair);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const link: Link = {
    port: (server.address() as net.AddressInfo).port,
    shape: undefined,
    hold,
    release,
    cut: () => {
      for (const pair of pairs) pair.dead = true;
      release();
    },
    holdNext: () => new Promise((resolve) => (arrived = resolve)),
    holdAfter: (left) => new Promise((reached) => (budget = { left, reached })),
    [Symbol.asyncDispose]: async () => {
      release();
      for (const { client, host } of pairs) {
        client.destroy();
        host.destroy();
      }
      server.close();
    },
  };
  return link;
}

function pieces(data: Buffer, shape: Shape | undefined): Buffer[] {
  const size = shape?.bytesPerSecond ? Math.max(512, Math.floor(shape.bytesPerSecond / 20)) : data.length;
  return Array.from({ length: Math.ceil(data.length / size) }, (_, index) =>
    data.subarray(index * size, (index + 1) * size),
  );
}

/** How long a stall lasts yet; 0 outside of one. */
function stallLeft(stall: NonNullable<Shape["stall"]>, elapsed: number): number {
  const at = elapsed % (stall.everyMilliseconds + stall.milliseconds);
  return at < stall.everyMilliseconds ? 0 : stall.everyMilliseconds + stall.milliseconds - at;
}

const pause = (milliseconds: number) =>
  milliseconds > 0 ? new Promise<void>((resolve) => setTimeout(resolve, milliseconds)) : undefined;
