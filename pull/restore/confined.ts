/** borg, confined to one folder of this machine or of a VPS, whose repository is served by home: templates/remote/confine.sh. */
import { spawn } from "node:child_process";
import { Duplex, type Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import type ssh2 from "ssh2";
import type { Connection } from "../../remote/connect.ts";
import { scriptText } from "../../remote/host.ts";
import { commandLine } from "../../remote/quote.ts";
import { sshHost } from "../../remote/ssh.ts";
import { ReachError } from "../../schema/errors.ts";
import { endpoint } from "../../schema/target.ts";
import { widen } from "../window.ts";

export interface ConfinedOptions {
  readonly job: string;
  /** The folder that borg may write to; made, with mode 700, when it is missing. */
  readonly folder: string;
  /** The folder may have something in it. */
  readonly overwrite: boolean;
  /** No file may become larger; undefined: any may. */
  readonly fileBytes?: number | undefined;
  /** What borg is to do, `::ARCHIVE` for the archive. */
  readonly args: readonly string[];
  readonly passphrase: string;
}

export interface Confined {
  /** What borg asks of `borg serve`, and the answers. */
  readonly channel: Duplex;
  readonly stderr: Readable;
  /** Its exit code, once it has ended; undefined when it was killed, or the connection went away. */
  readonly ended: Promise<number | undefined>;
  /** Ends it at once. What it has restored stays. */
  kill(): void;
}

/** sshd opens a session at once, and closes it at once; one that does not is not waited for. */
const answerMilliseconds = 10_000;

const namespaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"];

const confine = ({ job, folder, overwrite, fileBytes, args }: ConfinedOptions): readonly string[] => [
  ...["/bin/sh", "-c", scriptText("confine"), "confine"],
  ...[folder, overwrite ? "any" : "empty", `ssh://borg/./${job}`, String(fileBytes ?? "unlimited"), ...args],
];

/** On this machine: it dies with this process. Who is not root needs a user namespace, in which other owners than oneself cannot be given. */
export function confinedAtHome(options: ConfinedOptions): Confined {
  const own = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const [program, ...words] = [...namespaces, ...own, "--", ...confine(options)];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", program as string, ...words], {
    stdio: "pipe",
    env: { PATH: process.env.PATH ?? "" },
    detached: true, // a Ctrl-C in the terminal is ours to handle
  });
  const ended = Promise.withResolvers<number | undefined>();
  child.on("error", () => ended.resolve(127));
  child.on("close", (code) => ended.resolve(code ?? undefined));
  child.stdin.on("error", () => {}); // it may end before it has read all
  child.stdin.write(`${options.passphrase}\n`);
  return {
    channel: Duplex.from({ readable: child.stdout, writable: child.stdin }),
    stderr: child.stderr,
    ended: ended.promise,
    kill: () => void child.kill("SIGKILL"),
  };
}

/**
 * On a VPS, as its root. The passphrase is in borg's memory there while it runs.
 * @throws ReachError when root's rights are not to be had, or the connection is gone
 */
export async function confinedOnVps(connection: Connection, options: ConfinedOptions): Promise<Confined> {
  const { target, client } = connection;
  await sshHost(connection).run("run", ["true"]); // says in words what sudo refuses
  const asRoot = target.user === "root" ? [] : ["sudo", "-n", "--"];
  const command = commandLine([...asRoot, ...namespaces, "--", ...confine(options)]);
  const channel = await Promise.race([
    new Promise<ssh2.ClientChannel>((resolve, reject) =>
      client.exec(command, (error, channel) => (error ? reject(error) : resolve(channel))),
    ),
    connection.closed.then((cause) => Promise.reject(lost(connection, cause))),
    wait(answerMilliseconds, undefined, { ref: false }).then(() => Promise.reject(lost(connection))),
  ]);
  const ended = Promise.withResolvers<number | undefined>();
  let code: number | undefined;
  channel.on("exit", (status: number | null) => {
    code = status ?? undefined;
  });
  channel.on("error", () => {});
  channel.on("close", (status?: number | null) => ended.resolve(code ?? status ?? undefined));
  void connection.closed.then(() => ended.resolve(code));
  channel.write(`${options.passphrase}\n`);
  widen(client, channel);
  const kill = () => {
    channel.close();
    setTimeout(() => client.destroy(), answerMilliseconds).unref();
  };
  return { channel, stderr: channel.stderr, ended: ended.promise, kill };
}

const lost = ({ target }: Connection, cause?: Error): ReachError =>
  new ReachError(
    "connection-lost",
    `The connection to ${endpoint(target)} was lost${cause ? `: ${cause.message}` : ""}.`,
    "Run it again.",
    { cause },
  );
