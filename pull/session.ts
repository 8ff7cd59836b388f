import { setImmediate } from "node:timers/promises";
import type ssh2 from "ssh2";
import type { Connection } from "../remote/connect.ts";
import { ReachError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { vpsPaths } from "../schema/paths.ts";
import { timerMilliseconds } from "../schema/timer.ts";
import { lineReader } from "./lines.ts";
import { serve } from "./serve.ts";
import type { Ran, SessionFacts } from "./session/facts.ts";
import { type Message, parseMessage, parseOutput } from "./session/messages.ts";
import { stallWatch } from "./session/stall-watch.ts";
import { setOut, type Way, withNewKey } from "./session/way.ts";

export interface SessionOptions {
  readonly job: JobFile;
  readonly run: string;
  readonly passphrase: string;
  /** The state folder at home. */
  readonly state: string;
  readonly signal?: AbortSignal;
  /** The way there, where it was begun already. */
  readonly way?: Way;
  readonly onMessage?: (message: Message) => void;
  /** As in ServeOptions. */
  readonly onServed?: () => void;
}

/** borgctl has this long to end borg, hooks and all, once it was told to; then the connection is cut. */
const endingMilliseconds = 90_000;
/** sshd has this long to show that the connection is not dead. */
const answerMilliseconds = 10_000;
const outputLimit = 1 << 20;
const messageLimit = 500;

/**
 * One pull over the network: connect, forward the socket, start borgctl, serve the repository, wait for the end. It never throws for
 * what a host, a network or a person can do; that comes back as facts. When it returns, nothing of it runs at home any more.
 */
export async function session(options: SessionOptions): Promise<SessionFacts> {
  const { job, run, signal } = options;
  const total = AbortSignal.timeout(timerMilliseconds(job.limits.totalSeconds));
  const early = signal ? AbortSignal.any([signal, total]) : total;
  let connection: Connection;
  try {
    const way = options.way ?? setOut(job.pull);
    connection = await way.arrive(early).catch((error) => withNewKey(error, job, early));
  } catch (error) {
    if (early.aborted) return cutShort(total.aborted ? "timed-out" : "cancelled");
    if (error instanceof ReachError) return { stage: "connect", error };
    throw error;
  }
  await using open = connection;
  const watch = stallWatch(job.limits.stallSeconds);
  using _ = watch;
  const socketPath = `${vpsPaths(job.instance).run}/${run}.sock`;
  const server = await serve(open.client, {
    job: job.job,
    repository: job.repository,
    state: options.state,
    socketPath,
    quotaBytes: job.limits.quotaBytes,
    onBytes: watch.alive,
    ...(options.onServed ? { onServed: options.onServed } : {}),
  });
  // Until borgctl runs there is nobody to be told: a link that says nothing is cut.
  const cut = () => open.client.destroy();
  watch.signal.addEventListener("abort", cut);
  const lost = async () => cutShort(watch.signal.aborted ? "stalled" : "lost", await server.end());
  // In one breath: sshd takes them one after the other. Only borgctl can remove the socket, and one that finds none ends by itself: it is
  // started even when we are to stop, and then told to.
  const [refusal, channel] = await Promise.all([
    forward(open, socketPath),
    start(open, `create ${run}`, { BORG_PASSPHRASE: options.passphrase }),
  ]);
  watch.signal.removeEventListener("abort", cut);
  // What is asked when the connection ends is answered by ssh2 itself, as if it had been refused.
  const over = await Promise.race([open.closed.then(() => true), setImmediate(false)]);
  if (refusal === "lost" || channel === "lost" || over) return lost();
  if (refusal !== undefined) {
    await server.end();
    return { stage: "forward", reason: refusal.message };
  }
  if (channel instanceof Error) {
    await server.end();
    return { stage: "command", reason: channel.message };
  }
  const result = await follow(open, channel, {
    reasons: [
      [signal, "cancelled"],
      [total, "timed-out"],
      [watch.signal, "stalled"],
    ],
    alive: watch.alive,
    ...(options.onMessage ? { onMessage: options.onMessage } : {}),
  });
  // The far side is done or gone: no more can come for borg serve.
  await open[Symbol.asyncDispose]();
  return { ...result, served: await server.end() };
}

type Interruption = Exclude<Ran["ended"], "exit" | "lost">;

const nothingServed = { connected: false, refused: 0, bytesIn: 0, bytesOut: 0, messages: [], ignoredPuts: 0 };

function cutShort(ended: Exclude<Ran["ended"], "exit">, served: Ran["served"] = nothingServed): SessionFacts {
  return { stage: "ran", ended, exitCode: undefined, messages: [], served };
}

/** undefined when it is forwarded; sshd never says why not. */
function forward(connection: Connection, socketPath: string): Promise<Error | "lost" | undefined> {
  return Promise.race([
    new Promise<Error | "lost" | undefined>((resolve) => {
      try {
        connection.client.openssh_forwardInStreamLocal(socketPath, (error) =>
          resolve(error ? orLost(error) : undefined),
        );
      } catch {
        resolve("lost"); // "Not connected" is thrown, not called back
      }
    }),
    connection.closed.then(() => "lost" as const),
  ]);
}

/** ssh2's words to whoever waits for an answer when the connection ends. */
const orLost = (error: Error): Error | "lost" =>
  error.message === "No response from server" ? "lost" : error;

function start(
  connection: Connection,
  command: string,
  env: Readonly<Record<string, string>>,
): Promise<ssh2.ClientChannel | Error | "lost"> {
  return Promise.race([
    new Promise<ssh2.ClientChannel | Error | "lost">((resolve) => {
      try {
        connection.client.exec(command, { env: { ...env } }, (error, channel) =>
          resolve(error ? orLost(error) : channel),
        );
      } catch {
        resolve("lost");
      }
    }),
    connection.closed.then(() => "lost" as const),
  ]);
}

async function follow(
  connection: Connection,
  channel: ssh2.ClientChannel,
  options: {
    readonly reasons: readonly (readonly [AbortSignal | undefined, Interruption])[];
    readonly alive: () => void;
    readonly onMessage?: (message: Message) => void;
  },
): Promise<Omit<Ran, "served">> {
  const messages: Message[] = [];
  const output: Buffer[] = [];
  let size = 0;
  let greeted: number | undefined;
  let exitCode: number | undefined;
  let interrupted: Interruption | undefined;
  const done = Promise.withResolvers<void>();

  const stderr = lineReader((line) => {
    const message = parseMessage(line);
    if (!message) return;
    options.onMessage?.(message);
    if (message.type === "progress" || (message.type === "log" && message.level === "debug")) return;
    messages.push(message);
    // The first say how it began, the last how it ended.
    if (messages.length > messageLimit) messages.splice(messageLimit / 2, 1);
  });
  channel.on("data", (data: Buffer) => {
    options.alive();
    greeted ??= Date.now();
    size += data.length;
    if (size <= outputLimit) output.push(data);
  });
  channel.stderr.on("data", (data: Buffer) => {
    options.alive();
    stderr(data);
  });
  channel.on("exit", (status: number | null) => {
    exitCode = status ?? undefined;
  });
  channel.on("error", () => {});
  channel.on("close", (status?: number | null) => {
    exitCode ??= status ?? undefined; // a command that ends at once has emitted "exit" before anyone could listen
    done.resolve();
  });
  void connection.closed.then(() => done.resolve());

  let cut: NodeJS.Timeout | undefined;
  const disarm = options.reasons.map(([signal, reason]) => {
    const stop = () => {
      if (interrupted) return;
      interrupted = reason;
      channel.end(); // borgctl takes the end of its stdin for the end of the run
      const destroy = () => connection.client.destroy();
      cut = setTimeout(destroy, answerMilliseconds);
      ping(connection.client, () => {
        clearTimeout(cut);
        cut = setTimeout(destroy, endingMilliseconds);
      });
    };
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
    return () => signal?.removeEventListener("abort", stop);
  });
  await done.promise;
  clearTimeout(cut);
  for (const off of disarm) off();
  return {
    stage: "ran",
    ended: exitCode === 0 ? "exit" : (interrupted ?? (exitCode === undefined ? "lost" : "exit")),
    exitCode,
    ...parseOutput(Buffer.concat(output).toString("utf8")),
    ...(greeted === undefined ? {} : { greeted }),
    messages,
  };
}

/** Asks sshd something that it answers at once: to open no more sessions, which we need no more. */
function ping(client: ssh2.Client, onAnswer: () => void): void {
  try {
    client.openssh_noMoreSessions(() => onAnswer());
  } catch {
    // not connected: `closed` tells
  }
}
