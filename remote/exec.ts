import { setTimeout as wait } from "node:timers/promises";
import type ssh2 from "ssh2";
import { ReachError } from "../schema/errors.ts";
import { endpoint, type Target } from "../schema/target.ts";

/** What a finished command left. `code` is undefined when the connection or the command died without one. */
export interface ExecResult {
  readonly code: number | undefined;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface ExecOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Ends the command's channel and throws; default 120. */
  readonly timeoutSeconds?: number;
}

/** sshd opens a session at once or refuses it; after this long the connection is dead. */
const openSeconds = 60;

/** More than any file or fact of ours; what a hostile machine sends must fit into memory. */
const outputLimit = 64 << 20;

/** Runs one command on a session channel of an open connection. */
export async function exec(
  client: ssh2.Client,
  closed: Promise<Error | undefined>,
  login: Pick<Target, "host" | "port">,
  command: string,
  options: ExecOptions,
): Promise<ExecResult> {
  options.signal?.throwIfAborted();
  const lost = (error: Error | undefined) =>
    new ReachError(
      "connection-lost",
      `The connection to ${endpoint(login)} was lost${error ? `: ${error.message}` : ""}.`,
      "Run it again.",
      { cause: error },
    );
  const channel = await Promise.race([
    new Promise<ssh2.ClientChannel>((resolve, reject) => {
      try {
        client.exec(command, options.env ? { env: { ...options.env } } : {}, (error, stream) =>
          error ? reject(error) : resolve(stream),
        );
      } catch (error) {
        reject(lost(error as Error)); // "Not connected" is thrown, not called back
      }
    }),
    closed.then((error) => Promise.reject(lost(error))),
    wait(openSeconds * 1000, undefined, { ref: false }).then(() =>
      Promise.reject(lost(new Error(`no session within ${openSeconds} s`))),
    ),
  ]);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let code: number | undefined;
  const done = Promise.withResolvers<ExecResult>();
  let bytes = 0;
  const keep = (parts: Buffer[]) => (data: Buffer) => {
    bytes += data.length;
    if (bytes <= outputLimit) parts.push(data);
    else
      stop(
        new ReachError("connection-lost", `${endpoint(login)} sends without end.`, "Look at that machine."),
      );
  };
  channel.on("data", keep(stdout));
  channel.stderr.on("data", keep(stderr));
  channel.on("exit", (status: number | null) => {
    code = status ?? undefined;
  });
  channel.on("error", () => {});
  channel.on("close", (status?: number | null) => {
    code ??= status ?? undefined; // a command that ends at once has emitted "exit" before anyone could listen
    done.resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) });
  });
  void closed.then((error) => done.reject(lost(error)));
  const stop = (error: Error) => {
    done.reject(error);
    channel.close();
  };
  const seconds = options.timeoutSeconds ?? 120;
  const timer = setTimeout(
    () =>
      stop(
        new ReachError(
          "connection-lost",
          `${endpoint(login)} did not answer within ${seconds} s.`,
          "Run it again.",
        ),
      ),
    seconds * 1000,
  );
  const abort = () => stop(options.signal?.reason as Error);
  options.signal?.addEventListener("abort", abort, { once: true });
  channel.end(options.stdin === undefined ? undefined : Buffer.from(options.stdin as Uint8Array));
  try {
    return await done.promise;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
  }
}
