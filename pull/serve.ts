import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type ssh2 from "ssh2";
import { borgEnvironment } from "./borg.ts";
import { lineReader } from "./lines.ts";
import { widen } from "./window.ts";

/** What a served session left behind. */
export interface Served {
  /** borg connected to the socket. */
  readonly connected: boolean;
  /** Connections to the socket after the first: none of borg's. */
  readonly refused: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** What `borg serve` said, its last lines. */
  readonly messages: readonly string[];
}

export interface Server {
  /** Resolves, once the connection has ended, when `borg serve` has: it is told so by the end of its input, then by signals. */
  end(): Promise<Served>;
}

const graceMilliseconds = 20_000;

/**
 * Serves one repository to the first connection on the forwarded socket, and to no other.
 * @param onBytes called for every piece of data, either way
 */
export function serve(
  client: ssh2.Client,
  options: {
    readonly job: string;
    readonly repository: string;
    readonly state: string;
    readonly socketPath: string;
    readonly onBytes: () => void;
  },
): Server {
  const folder = serveFolder(options);
  const messages: string[] = [];
  let connected = false;
  let refused = 0;
  let bytesIn = 0;
  let bytesOut = 0;
  let ended: Promise<void> = Promise.resolve();
  let stop = () => {};

  client.on("unix connection", (info, accept, reject) => {
    if (connected || info.socketPath !== options.socketPath) {
      refused++;
      return reject();
    }
    connected = true;
    const channel = accept();
    const child = spawn(
      "borg",
      ["serve", "--append-only", "--restrict-to-repository", `./${options.job}`, "--umask=077"],
      {
        cwd: folder,
        env: borgEnvironment(options.state), // without SSH_ORIGINAL_COMMAND, which borg serve would parse
        stdio: "pipe",
        detached: true, // a Ctrl-C in the terminal is ours to handle
      },
    );
    const finished = Promise.withResolvers<void>();
    ended = finished.promise;
    widen(client, channel);
    channel.on("data", (data: Buffer) => {
      bytesIn += data.length;
      options.onBytes();
    });
    child.stdout.on("data", (data: Buffer) => {
      bytesOut += data.length;
      options.onBytes();
    });
    channel.pipe(child.stdin);
    child.stdout.pipe(channel);
    child.stderr.on(
      "data",
      lineReader((line) => messages.push(line), { lines: 100 }),
    );
    child.stdin.on("error", () => {});
    channel.on("error", () => {});
    channel.on("close", () => child.stdin.end());
    child.on("error", (error) => {
      messages.push(error.message);
      channel.close();
      finished.resolve();
    });
    child.on("close", () => {
      channel.close(); // without it the far side waits for ever
      finished.resolve();
    });
    stop = () => {
      channel.unpipe(child.stdin);
      child.stdin.end();
      const term = setTimeout(() => child.kill("SIGTERM"), graceMilliseconds);
      const kill = setTimeout(() => child.kill("SIGKILL"), 2 * graceMilliseconds);
      void ended.then(() => {
        clearTimeout(term);
        clearTimeout(kill);
      });
    };
  });

  return {
    end: async () => {
      stop();
      await ended;
      return { connected, refused, bytesIn, bytesOut, messages };
    },
  };
}

/**
 * A folder of ours in which `<job>` is a link to the repository: the URL `ssh://borg/./<job>` stays true, to borg's relocation
 * alarm on the VPS too, when the repository moves.
 */
function serveFolder(options: {
  readonly job: string;
  readonly repository: string;
  readonly state: string;
}): string {
  const folder = path.join(options.state, "serve", options.job);
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const link = path.join(folder, options.job);
  const fresh = `${link}.new`;
  fs.rmSync(fresh, { force: true });
  fs.symlinkSync(options.repository, fresh);
  fs.renameSync(fresh, link);
  return folder;
}
