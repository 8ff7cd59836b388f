import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Duplex } from "node:stream";
import type ssh2 from "ssh2";
import { borgEnvironment } from "./borg.ts";
import { lineReader } from "./lines.ts";
import { type Refusal, requestFilter, type Stop } from "./rpc/filter.ts";
import { type Guard, openGuard } from "./rpc/guard.ts";
import type { Purpose } from "./rpc/policy.ts";
import type { Full } from "./rpc/room.ts";
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

export interface ServeOptions {
  readonly job: string;
  readonly repository: string;
  readonly state: string;
  /** Called for every piece of data, either way. */
  readonly onBytes: () => void;
  /** borg takes 10 MB for the least. */
  readonly quotaBytes?: number | undefined;
  /** Bytes that must stay free on the repository's file system. @default 1 GiB or 2 % of it, whichever is less */
  readonly reserveBytes?: number | undefined;
  /** What the client may ask. @default "backup" */
  readonly purpose?: Purpose;
}

const graceMilliseconds = 20_000;

/**
 * Serves one repository to the first connection on the forwarded socket, and to no other.
 * @throws UserError when the repository's index is not that of its last transaction
 */
export async function serve(
  client: ssh2.Client,
  options: ServeOptions & { readonly socketPath: string },
): Promise<Server> {
  const guard = await openGuard(options);
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
    session = serveChannel(channel, guard, options);
  });

  return {
    end: async () => {
      over = true;
      await using _ = guard;
      const nothing = { bytesIn: 0, bytesOut: 0, messages: [], ignoredPuts: 0 };
      const served = (await session?.end()) ?? nothing;
      return { connected: session !== undefined, refused, ...served };
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
export function serveChannel(channel: Duplex, guard: Guard, options: ServeOptions): ChannelServer {
  const messages: string[] = [];
  let ignoredPuts = 0;
  let bytesIn = 0;
  let bytesOut = 0;
  let stopped: Stop | undefined;
  const quota = options.quotaBytes === undefined ? [] : [`--storage-quota=${options.quotaBytes}`];
  const child = spawn(
    "borg",
    ["serve", "--append-only", "--restrict-to-repository", `./${options.job}`, "--umask=077", ...quota],
    {
      cwd: serveFolder(options),
      env: borgEnvironment(options.state), // without SSH_ORIGINAL_COMMAND, which borg serve would parse
      stdio: "pipe",
      detached: true, // a Ctrl-C in the terminal is ours to handle
    },
  );
  const finished = Promise.withResolvers<void>();
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
  let timers: readonly NodeJS.Timeout[] | undefined;
  const end = () => {
    if (timers) return;
    channel.unpipe(filter).resume(); // ssh2 closes none of which something is yet to be read
    filter.unpipe(child.stdin);
    child.stdin.end();
    timers = [
      setTimeout(() => child.kill("SIGTERM"), graceMilliseconds),
      setTimeout(() => child.kill("SIGKILL"), 2 * graceMilliseconds),
    ];
    void finished.promise.then(() => timers?.forEach(clearTimeout));
  };

  channel.on("data", (data: Buffer) => {
    bytesIn += data.length;
    options.onBytes();
  });
  child.stdout.on("data", (data: Buffer) => {
    bytesOut += data.length;
    options.onBytes();
  });
  channel.pipe(filter).pipe(child.stdin);
  child.stdout.pipe(channel);
  child.stderr.on(
    "data",
    lineReader((line) => messages.push(line), { lines: 100 }),
  );
  child.stdin.on("error", () => {});
  channel.on("error", () => {});
  channel.on("close", () => {
    channel.unpipe(filter);
    filter.end();
    child.stdout.unpipe(channel).resume(); // borg would wait for its answers to be taken
  });
  child.on("error", (error) => {
    messages.push(error.message);
    channel.destroy();
    finished.resolve();
  });
  child.on("close", () => {
    channel.destroy(); // without it the far side waits for ever
    finished.resolve();
  });

  return {
    ended: finished.promise,
    end: async () => {
      end();
      await finished.promise;
      if (stopped && "error" in stopped) throw stopped.error;
      return { bytesIn, bytesOut, messages, ignoredPuts, ...stopped };
    },
  };
}

/**
 * A folder of ours in which `<job>` is a link to the repository: the URL `ssh://borg/./<job>` stays true, to borg's relocation
 * alarm on the VPS too, when the repository moves.
 */
function serveFolder(options: ServeOptions): string {
  const folder = path.join(options.state, "serve", options.job);
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const link = path.join(folder, options.job);
  const fresh = `${link}.new`;
  fs.rmSync(fresh, { force: true });
  fs.symlinkSync(options.repository, fresh);
  fs.renameSync(fresh, link);
  return folder;
}
