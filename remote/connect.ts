import * as fs from "node:fs/promises";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { ReachError, UserError } from "../schema/errors.ts";
import { endpoint, type Target } from "../schema/target.ts";
import { isDecipheredApart, keepKeys } from "./deciphering.ts";
import { type ExecOptions, type ExecResult, exec } from "./exec.ts";
import { connectSocket } from "./socket.ts";

export type { ExecOptions, ExecResult } from "./exec.ts";

/** One authenticated ssh connection to one machine. */
export interface Connection extends AsyncDisposable {
  readonly target: Target;
  readonly client: ssh2.Client;
  /** Resolves when the connection has ended, with the error that ended it, if one did. */
  readonly closed: Promise<Error | undefined>;
  /** Runs a command and collects its output. Throws ReachError when the channel cannot be opened or the time is up. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
}

type Login = Omit<Target, "jump">;
type Credentials = Pick<ssh2.ConnectConfig, "agent" | "privateKey"> & {
  readonly authHandler: ssh2.AuthenticationType[];
};

const connectSeconds = 20;
/** Sent when nothing came for this long; data counts as a sign of life where the channel's reader resets it. */
const keepaliveMilliseconds = 30_000;
const keepaliveCount = 4;

export interface ConnectOptions {
  readonly signal?: AbortSignal;
  readonly timeoutSeconds?: number;
  /** Told how sshd would let this user log in, as it says before a key is shown ("none", RFC 4252, 5.2). */
  readonly onMethods?: (methods: readonly string[]) => void;
}

/**
 * Connects to a machine, through its jump host if it has one. Host keys are pinned: a machine that shows another is refused
 * before authentication, so that no secret is sent to it.
 * @throws ReachError unreachable, host-key or login-refused; UserError when the key file cannot be used
 */
export async function connect(target: Target, options: ConnectOptions = {}): Promise<Connection> {
  const { jump, ...login } = target;
  if (!jump) return open(target, login, undefined, options);
  const { onMethods: _, ...way } = options;
  const hop = await open(jump, jump, undefined, way);
  try {
    const sock = await tunnel(hop, login, options.timeoutSeconds ?? connectSeconds);
    const connection = await open(target, login, sock, options);
    void connection.closed.then(() => hop[Symbol.asyncDispose]());
    return connection;
  } catch (error) {
    await hop[Symbol.asyncDispose]();
    throw error;
  }
}

function tunnel(hop: Connection, to: Login, seconds: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string) =>
      reject(
        new ReachError(
          "unreachable",
          `The jump host ${endpoint(hop.target)} could not reach ${endpoint(to)}: ${reason}.`,
          "Check the address, and that the jump host's sshd has AllowTcpForwarding yes or local for this login.",
        ),
      );
    // The jump host itself may wait for minutes.
    const timer = setTimeout(() => refuse(`no answer within ${seconds} s`), seconds * 1000);
    hop.client.forwardOut("127.0.0.1", 0, to.host, to.port, (error, stream) => {
      clearTimeout(timer);
      if (error) return refuse(error.message);
      // The jump host's sshd keeps a channel half open when the far machine is gone while we still send: nothing more will come.
      stream.on("end", () => stream.destroy());
      resolve(stream);
    });
  });
}

async function open(
  target: Target,
  login: Login,
  sock: Duplex | undefined,
  options: ConnectOptions,
): Promise<Connection> {
  options.signal?.throwIfAborted();
  const auth = await credentials(login);
  const client = new ssh2.Client();
  // Nagle's algorithm against delayed acknowledgement: without it each question that borg waits for costs 45 ms, on a loopback too.
  client.on("connect", () => client.setNoDelay(true));
  const closed = Promise.withResolvers<Error | undefined>();
  const ready = Promise.withResolvers<void>();
  let presented: string | undefined;
  let last: (Error & { level?: string; code?: string }) | undefined;
  client.on("error", (error) => {
    last ??= error;
  });
  client.on("close", () => {
    ready.reject(reachError(login, last ?? new Error("the connection was closed"), presented));
    closed.resolve(last);
  });
  keepKeys(client);
  client.on("ready", () => ready.resolve());
  const abort = () => {
    last ??= new Error("cancelled");
    client.destroy();
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  void closed.promise.then(() => options.signal?.removeEventListener("abort", abort));
  client.connect({
    sock: sock ?? connectSocket(login, () => isDecipheredApart(client)),
    username: login.user,
    ...auth,
    ...(options.onMethods ? { authHandler: asking(options.onMethods, auth.authHandler) } : {}),
    readyTimeout: (options.timeoutSeconds ?? connectSeconds) * 1000,
    keepaliveInterval: keepaliveMilliseconds,
    keepaliveCountMax: keepaliveCount,
    algorithms: { serverHostKey: hostKeyAlgorithms(login.hostKeys) },
    hostVerifier: (key: Buffer) => {
      presented = key.toString("base64");
      return login.hostKeys.some((pinned) => pinned.split(" ")[1] === presented);
    },
  });
  try {
    await ready.promise;
  } catch (error) {
    client.destroy();
    options.signal?.throwIfAborted();
    throw error;
  }
  return {
    target,
    client,
    closed: closed.promise,
    exec: (command, execOptions = {}) => exec(client, closed.promise, login, command, execOptions),
    [Symbol.asyncDispose]: async () => {
      client.end();
      // A peer that never answers the close must not hold us.
      const timer = setTimeout(() => client.destroy(), 2000);
      await closed.promise;
      clearTimeout(timer);
    },
  };
}

/** ssh2 offers host key types in an order of its own: only the pinned types are asked for (facts: a file with rsa alone would fail). */
export function hostKeyAlgorithms(hostKeys: readonly string[]): ssh2.ServerHostKeyAlgorithm[] {
  const types = hostKeys.map((key) => key.split(" ")[0] as string);
  const algorithms = types.flatMap((type) =>
    type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type],
  );
  return [...new Set(algorithms)] as ssh2.ServerHostKeyAlgorithm[];
}

/** Asks with "none" how one may log in, as OpenSSH's client always does, and then logs in. */
function asking(
  onMethods: (methods: readonly string[]) => void,
  [method]: readonly ssh2.AuthenticationType[],
): ssh2.AuthHandlerMiddleware {
  const order = ["none", method] as ssh2.AuthenticationType[];
  let told = false;
  return (left: readonly string[] | null, _partial, next) => {
    if (left && !told) onMethods(left);
    told ||= left !== null;
    next(order.shift() ?? (false as never)); // false: nothing is left to try
  };
}

async function credentials(login: Login): Promise<Credentials> {
  if (login.auth === "agent") {
    const agent = process.env.SSH_AUTH_SOCK;
    if (!agent) {
      throw new UserError(
        `${endpoint(login)}: no ssh agent is running (SSH_AUTH_SOCK is not set).`,
        'Start one with "ssh-agent" and "ssh-add", or set "identity" to the path of a private key.',
      );
    }
    return { agent, authHandler: ["agent"] };
  }
  const privateKey = await readPrivateKey(login.auth);
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) {
    throw new UserError(
      `${login.auth}: this private key cannot be used: ${parsed.message}.`,
      'Use an unencrypted OpenSSH key, or load it into an ssh agent and set "identity: agent".',
    );
  }
  return { privateKey, authHandler: ["publickey"] };
}

async function readPrivateKey(path: string): Promise<Buffer> {
  try {
    const { mode } = await fs.stat(path);
    if (mode & 0o077) {
      throw new UserError(`${path}: this private key can be read by other users.`, `Run: chmod 600 ${path}`);
    }
    return await fs.readFile(path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${path}: the private key cannot be read (${(error as NodeJS.ErrnoException).code}).`,
      'Check the path given as "identity", and that this user may read it.',
      { cause: error },
    );
  }
}

function reachError(
  login: Login,
  error: Error & { level?: string; code?: string },
  presented?: string,
): ReachError {
  const at = endpoint(login);
  const pinned = login.hostKeys.some((key) => key.split(" ")[1] === presented);
  if ((presented && !pinned) || /no matching host key|Host denied/.test(error.message)) {
    return new ReachError(
      "host-key",
      `${at} shows a host key that is not the pinned one.`,
      "If the machine was reinstalled, compare the new key out of band and put it into hostKey; otherwise somebody may be in between.",
      { cause: error },
    );
  }
  if (error.level === "client-authentication") {
    return new ReachError(
      "login-refused",
      `${at} does not let ${login.user} in with ${login.auth === "agent" ? "the keys of the ssh agent" : login.auth}.`,
      `Check that its public key is in ${login.user}'s authorized_keys, and PermitRootLogin and AllowUsers in sshd_config.`,
      { cause: error },
    );
  }
  return new ReachError(
    "unreachable",
    `${at} cannot be reached: ${error.message}.`,
    "Check that it is up, and address, port and firewall.",
    { cause: error },
  );
}
