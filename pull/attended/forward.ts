/** A repository served to a person on the VPS, over the administrator's login. */
import type ssh2 from "ssh2";
import type { Connection } from "../../remote/connect.ts";
import type { Host } from "../../remote/host.ts";
import { sshHost } from "../../remote/ssh.ts";
import { describe, ReachError, UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { vpsPaths } from "../../schema/paths.ts";
import { endpoint } from "../../schema/target.ts";
import { clean } from "../lines.ts";
import { readPassphrase } from "../passphrase.ts";
import { guardOfReading, openGuard } from "../rpc/guard.ts";
import { type ServedChannel, serveChannel } from "../serve.ts";
import { connectUntil } from "../session/way.ts";
import { widen } from "../window.ts";

export interface ForwardOptions {
  readonly job: JobFile;
  /** The state folder at home. */
  readonly state: string;
  /** "reading" changes nothing; "writing" may also make and delete archives. */
  readonly purpose: "reading" | "writing";
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Called once everything is ready, with what to do on the VPS. */
  readonly onReady: (ready: Ready) => void;
  /** Told what happens, a sentence each. */
  readonly onEvent: (text: string) => void;
}

export interface Ready {
  /** A file to source there, by root. */
  readonly env: string;
  /** Its lines. */
  readonly exports: readonly string[];
}

/** Paths on the VPS: a folder of the job's own, in one that is not the account's, so that the account reaches neither. */
const placeOf = ({ instance, job }: JobFile) => {
  const { attended: folder, attendedCache: cache } = vpsPaths(instance);
  return {
    folder: `${folder}/${job}`,
    env: `${folder}/${job}/env`,
    borg: `${folder}/${job}/borg`,
    passphrase: `${folder}/${job}/passphrase`,
    cache,
  };
};

const mostAtOnce = 8;

/**
 * Holds two sockets open on the VPS until the signal: borg's, and one that answers with the passphrase, which so is in no file there. Only root
 * and the administrator reach them. Needs the job's lock.
 * @returns what ended it, unless it was the signal
 * @throws ReachError, UserError: nothing could be forwarded
 */
export async function forward(options: ForwardOptions): Promise<ReachError | undefined> {
  const { job, signal, onReady } = options;
  const passphrase = readPassphrase(job.passphraseFile);
  const place = placeOf(job);
  const lines = exportsOf(job.job, place);
  await using connection = await connectUntil(signal, job.admin);
  const host = sshHost(connection);
  const relay = await begin(host, job, `${lines.join("\n")}\n`, signal);
  const served = serveAll(connection, { ...options, passphrase });
  try {
    for (const socket of [place.borg, place.passphrase]) await bind(connection, socket);
    onReady({ env: place.env, exports: lines.map((line) => line.replace("@RELAY@", relay)) });
    return await ended(connection, signal);
  } finally {
    await host.run("attended", ["end", place.folder], { timeoutSeconds: 20 }).catch(() => {}); // it is in /run
    await connection[Symbol.asyncDispose]();
    await served.end();
  }
}

const exportsOf = (
  job: string,
  { borg, passphrase, cache }: ReturnType<typeof placeOf>,
): readonly string[] => [
  `export BORG_REPO='ssh://borg/./${job}'`,
  `export BORG_BASE_DIR='${cache}'`,
  `export BORG_RSH="sh -c 'exec @RELAY@ ${borg}'"`,
  `export BORG_PASSCOMMAND="sh -c 'exec @RELAY@ ${passphrase} </dev/null'"`,
];

async function begin(host: Host, job: JobFile, env: string, signal: AbortSignal): Promise<string> {
  const { folder, cache } = placeOf(job);
  const { relay } = vpsPaths(job.instance);
  const args = ["begin", folder, job.admin.user, relay, cache];
  const { code, stdout, stderr } = await host.run("attended", args, { stdin: env, signal });
  if (code === 0) return stdout.toString().trim() === "nc -U -N" ? "nc -U -N" : `python3 -I ${relay}`;
  if (code === 72)
    throw new UserError(`${host.name}: borg is not installed there.`, "apt install borgbackup");
  if (code === 73) {
    throw new UserError(
      `${host.name} has neither an nc with -U and -N nor python3.`,
      "apt install netcat-openbsd",
    );
  }
  throw new UserError(
    `${host.name}: no folder for the sockets could be made: ${clean(stderr.toString()) || `exit ${code}`}.`,
    "Look at that machine.",
  );
}

function bind(connection: Connection, socket: string): Promise<void> {
  const refused = (cause: unknown) =>
    new UserError(
      `${endpoint(connection.target)} does not let ${connection.target.user} forward a socket to home.`,
      "Its sshd needs AllowStreamLocalForwarding yes (or remote) and no DisableForwarding for that login.",
      { cause },
    );
  return new Promise((resolve, reject) => {
    connection.client.openssh_forwardInStreamLocal(socket, (error) =>
      error ? reject(refused(error)) : resolve(),
    );
    void connection.closed.then((error) => reject(lost(connection, error)));
  });
}

const lost = ({ target }: Connection, cause: Error | undefined): ReachError =>
  new ReachError("connection-lost", `The connection to ${endpoint(target)} was lost.`, "Run it again.", {
    cause,
  });

function ended(connection: Connection, signal: AbortSignal): Promise<ReachError | undefined> {
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  return Promise.race([aborted, connection.closed.then((error) => lost(connection, error))]);
}

function serveAll(
  connection: Connection,
  { job, state, purpose, passphrase, onEvent }: ForwardOptions & { readonly passphrase: string },
): { end(): Promise<void> } {
  const { client } = connection;
  const place = placeOf(job);
  const open = new Set<Promise<void>>();
  client.on("unix connection", (info, accept, reject) => {
    if (info.socketPath === place.passphrase) return answer(accept(), passphrase);
    if (info.socketPath !== place.borg) return reject();
    if (open.size >= mostAtOnce) {
      onEvent(`refused one more borg: ${mostAtOnce} are at work`);
      return reject();
    }
    // Several may look at once. Who may write comes after the one before: what was there before is known only then.
    const turn = purpose === "writing" ? Promise.all(open) : undefined;
    const channel = accept();
    channel.on("error", () => {});
    const serve = async () => {
      await turn;
      await serveOne(client, channel, { job, state, purpose, onEvent });
    };
    const work = serve().finally(() => open.delete(work));
    open.add(work);
  });
  return { end: async () => void (await Promise.all(open)) };
}

function answer(channel: ssh2.Channel, passphrase: string): void {
  channel.on("error", () => {});
  channel.resume();
  channel.end(`${passphrase}\n`);
}

async function serveOne(
  client: ssh2.Client,
  channel: ssh2.Channel,
  { job, state, purpose, onEvent }: Pick<ForwardOptions, "job" | "state" | "purpose" | "onEvent">,
): Promise<void> {
  const options = {
    job: job.job,
    repository: job.repository,
    state,
    purpose,
    quotaBytes: job.limits.quotaBytes,
    onBytes: () => {},
  };
  try {
    await using guard = purpose === "reading" ? guardOfReading(job.job) : await openGuard(options);
    widen(client, channel);
    const server = serveChannel(channel, guard, options);
    onEvent("borg has connected");
    await server.ended;
    channel.unpipe().resume(); // what nobody reads would keep it open
    onEvent(describeServed(await server.end(), purpose));
  } catch (error) {
    channel.destroy();
    onEvent(describe(error));
  }
}

function describeServed(
  { refusal, fullAtHome, messages }: ServedChannel,
  purpose: "reading" | "writing",
): string {
  if (refusal) {
    const remedy = purpose === "reading" && /only reads/.test(refusal.reason) ? " (--write allows it)" : "";
    return `borg was cut off: it asked for "${clean(refusal.method, 40)}", and ${clean(refusal.reason, 200)}${remedy}`;
  }
  if (fullAtHome) return "borg was cut off: there is no more room at home";
  const said = messages.at(-1);
  return `borg has ended${said ? ` (borg at home: ${clean(said, 300)})` : ""}`;
}
