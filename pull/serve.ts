import type { Duplex } from "node:stream";
import type ssh2 from "ssh2";
import { isDecipheredApart } from "../remote/deciphering.ts";
import { type Refusal, requestFilter, type Stop } from "./rpc/filter.ts";
import { type Guard, openGuard } from "./rpc/guard.ts";
import type { Purpose } from "./rpc/policy.ts";
import type { Full } from "./rpc/room.ts";
import { type BorgServe, type BorgServeOptions, startBorgServe } from "./serve/borg-serve.ts";
import { toBorg } from "./serve/to-borg.ts";
import { widen } from "./window.ts";

/** What a served session left behind. */
export interface Served extends ServedChannel {
  /** borg connected to the socket. */
  readonly connected: boolean;
  /** Connections to the socket after the first: none of borg's. */
  readonly refused: number;
}

/** What one connection left behind. */
export interface ServedChannel {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** What `borg serve` said, its last lines. */
  readonly messages: readonly string[];
  /**
   * Objects that were there before and were sent again: borg was not told of them, what was there stays. Seldom, an honest client
   * does so: for an object that no archive uses, of a file that could not be read to its end once.
   */
  readonly ignoredPuts: number;
  /** A request that no backup makes; `borg serve` never saw it, and the session ended with it. */
  readonly refusal?: Refusal;
  /** The session was ended because home has no more room. */
  readonly fullAtHome?: Full;
}

export interface Server {
  /**
   * Resolves, once the connection has ended, when `borg serve` has: it is told so by the end of its input, then by signals.
   * @throws what kept us from reading the repository in the middle of the session
   */
  end(): Promise<Served>;
}

export interface ServeOptions extends BorgServeOptions {
  /** Called for every piece of data, either way. */
  readonly onBytes: () => void;
  /** Whether pieces that fill their memory are nobody else's. @default never */
  readonly isGiven?: () => boolean;
  /** Called when what was served has ended: from then on nothing changes the repository. */
  readonly onServed?: () => void;
  /** Bytes that must stay free on the repository's file system. @default 1 GiB or 2 % of it, whichever is less */
  readonly reserveBytes?: number | undefined;
  /** What the client may ask. @default "backup" */
  readonly purpose?: Purpose;
}

/**
 * Serves one repository to the first connection on the forwarded socket, and to no other.
 * @throws UserError when the repository's index is not that of its last transaction
 */
export async function serve(
  client: ssh2.Client,
  options: ServeOptions & { readonly socketPath: string },
): Promise<Server> {
  const guard = await openGuard(options);
  const borg = startBorgServe(options);
  let session: ChannelServer | undefined;
  let refused = 0;
  let over = false;

  client.on("unix connection", (info, accept, reject) => {
    if (session || over || info.socketPath !== options.socketPath) {
      refused++;
      return reject();
    }
    const channel = accept();
    widen(client, channel);
    const isGiven = () => isDecipheredApart(client);
    session = serveChannel(channel, guard, { ...options, isGiven }, borg);
    void session.ended.then(options.onServed);
  });

  return {
    end: async () => {
      over = true;
      await using _ = guard;
      if (session) return { connected: true, refused, ...(await session.end()) };
      borg.end();
      await borg.ended;
      return { connected: false, refused, bytesIn: 0, bytesOut: 0, messages: [], ignoredPuts: 0 };
    },
  };
}

export interface ChannelServer {
  /** Resolves when `borg serve` has ended, by itself too. */
  readonly ended: Promise<void>;
  /** As `Server.end`. */
  end(): Promise<ServedChannel>;
}

/**
 * `borg serve` on one connection, behind the filter of requests: append-only keeps neither old objects nor the repository itself,
 * because a client may have borg overwrite and delete, and open the repository in a way that forgets append-only (1.2.4, 1.4.0).
 */
export function serveChannel(
  channel: Duplex,
  guard: Guard,
  options: ServeOptions,
  borg: BorgServe = startBorgServe(options),
): ChannelServer {
  const { child, messages, ended } = borg;
  let ignoredPuts = 0;
  let bytesIn = 0;
  let bytesOut = 0;
  let stopped: Stop | undefined;
  const filter = requestFilter({
    ...guard,
    purpose: options.purpose,
    onStop: (stop) => {
      stopped = stop;
      channel.destroy();
      end();
    },
    onIgnoredPut: () => ignoredPuts++,
  });
  const input = toBorg(child.stdin, channel, options.isGiven ?? (() => false));
  input.on("error", () => {}); // borg has ended
  const end = () => {
    channel.unpipe(filter).resume(); // ssh2 closes none of which something is yet to be read
    filter.unpipe(input);
    borg.end();
  };

  channel.on("data", (data: Buffer) => {
    bytesIn += data.length;
    options.onBytes();
  });
  child.stdout.on("data", (data: Buffer) => {
    bytesOut += data.length;
    options.onBytes();
  });
  channel.pipe(filter).pipe(input);
  child.stdout.pipe(channel);
  channel.on("error", () => {});
  channel.on("close", () => {
    channel.unpipe(filter);
    filter.end();
    child.stdout.unpipe(channel).resume(); // borg would wait for its answers to be taken
  });
  void ended.then(() => channel.destroy()); // without it the far side waits for ever

  return {
    ended,
    end: async () => {
      end();
      await ended;
      if (stopped && "error" in stopped) throw stopped.error;
      return { bytesIn, bytesOut, messages, ignoredPuts, ...stopped };
    },
  };
}
