/** Real borg clients against `serveChannel`, without ssh: their BORG_RSH relays to a unix socket that the test listens on. */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import type { Duplex } from "node:stream";
import { initRepository, listArchives } from "../../pull/borg.ts";
import { openGuard } from "../../pull/rpc/guard.ts";
import { messageSplitter } from "../../pull/rpc/messages.ts";
import type { Value } from "../../pull/rpc/values.ts";
import { type ServedChannel, type ServeOptions, serveChannel } from "../../pull/serve.ts";
import { ensureBase } from "../../sandbox/base.ts";
import { type Data, encode } from "../unit/pull/rpc/encode.ts";

export const job = "web1";
const passphrase = "correct horse";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder with a repository, its home and a VPS's files and borg cache; a copy of it is another such place. */
export interface Place extends Disposable {
  readonly folder: string;
  readonly repository: string;
  /** What the VPS backs up. */
  readonly files: string;
}

export type Client = "1.2.4" | "1.4.0";

export async function makePlace(): Promise<Place> {
  const place = placeAt(fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-rpc-")));
  fs.mkdirSync(path.join(place.folder, "home"));
  fs.mkdirSync(place.files, { recursive: true });
  fs.writeFileSync(passphraseFile(place), `${passphrase}\n`, { mode: 0o600 });
  const relay = fs.readFileSync(new URL("../../templates/relay.hbs", import.meta.url), "utf8");
  fs.writeFileSync(path.join(place.folder, "vps/relay.py"), relay.replace("{{mark}}", "test"));
  useHome(place);
  await initRepository({ ...place, encryption: "repokey-blake2", passphraseFile: passphraseFile(place) });
  return place;
}

/** A client that was there before knows the copy's repository for its own: its id is the same. */
export function copyPlace(place: Place): Place {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-rpc-"));
  fs.cpSync(place.folder, folder, { recursive: true });
  return placeAt(folder);
}

const placeAt = (folder: string): Place => ({
  folder,
  repository: path.join(folder, "repository"),
  files: path.join(folder, "vps/files"),
  [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true, force: true }),
});

const passphraseFile = ({ folder }: Place) => path.join(folder, "home/passphrase");

function useHome({ folder }: Place): void {
  process.env.BORGPULL_STATE = path.join(folder, "home");
  process.env.BORGPULL_CONFIG = path.join(folder, "home");
}

export interface Listening extends AsyncDisposable {
  readonly socketPath: string;
  /** What became of the connections, oldest first, once all have ended; there is one at least. */
  served(): Promise<readonly ServedChannel[]>;
}

/** Serves the repository to whoever connects, as `serve` does to the channel that sshd opens. */
export async function listen(place: Place, options: Partial<ServeOptions> = {}): Promise<Listening> {
  const socketPath = path.join(place.folder, "vps/borg.sock");
  const sessions: Promise<ServedChannel>[] = [];
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    sessions.push(serveSocket(socket, place, options));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    socketPath,
    async served() {
      if (sessions.length === 0) await once(server, "connection", { signal: AbortSignal.timeout(20_000) });
      return await Promise.all(sessions);
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function serveSocket(
  socket: net.Socket,
  place: Place,
  extra: Partial<ServeOptions>,
): Promise<ServedChannel> {
  const options = {
    job,
    repository: place.repository,
    state: path.join(place.folder, "home"),
    onBytes: () => {},
    ...extra,
  };
  await using guard = await openGuard(options);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const session = serveChannel(socket, guard, options);
  await closed;
  return await session.end();
}

/** Runs borg as the VPS does, against what `listen` serves. */
export async function borgOnVps(
  place: Place,
  args: readonly string[],
  options: {
    readonly client?: Client;
    readonly env?: Record<string, string>;
    /** borg itself, under either client. */
    readonly onStart?: (borg: ChildProcess) => void;
  } = {},
): Promise<Ran> {
  const chroot = options.client === "1.4.0";
  const vps = chroot ? "/mnt" : path.join(place.folder, "vps");
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    LANG: "C.UTF-8",
    HOME: vps,
    BORG_BASE_DIR: `${vps}/borg`,
    BORG_PASSPHRASE: passphrase,
    BORG_REPO: `ssh://borg/./${job}`,
    BORG_RSH: `python3 ${vps}/relay.py ${vps}/borg.sock`,
    BORG_CHECK_I_KNOW_WHAT_I_AM_DOING: "YES",
    BORG_DELETE_I_KNOW_WHAT_I_AM_DOING: "YES",
    ...options.env,
  };
  const borg = ["borg", "--lock-wait", "10", ...args] as const;
  if (!chroot) return run(borg, { env, cwd: vps, onStart: options.onStart });
  const base = await ensureBase("debian13");
  const argv = [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-euc",
    enter,
    "sh",
    base,
    path.join(place.folder, "vps"),
    ...borg,
  ];
  return run(argv as [string, ...string[]], { env, cwd: "/", onStart: options.onStart });
}

const enter = `
base=$1 vps=$2
shift 2
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay none -o "lowerdir=$base,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
mount -t proc none /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount --bind "$vps" /mnt/root/mnt
exec chroot /mnt/root sh -c 'cd /mnt && exec "$@"' sh "$@"
`;

/** Runs borg at home, on the repository itself. */
export const borgAtHome = (place: Place, ...args: readonly string[]): Promise<Ran> =>
  run(["borg", ...args], {
    cwd: place.folder,
    env: {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      LANG: "C.UTF-8",
      HOME: path.join(place.folder, "home"),
      BORG_BASE_DIR: path.join(place.folder, "home/borg"),
      BORG_PASSPHRASE: passphrase,
      BORG_REPO: place.repository,
      BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
    },
  });

/** Ids of the archives, oldest first. */
export async function archivesOf(place: Place): Promise<readonly string[]> {
  useHome(place);
  const archives = await listArchives({
    repository: place.repository,
    passphraseFile: passphraseFile(place),
  });
  return archives.map(({ id }) => id);
}

function run(
  [program, ...args]: readonly [string, ...string[]],
  options: {
    readonly env: Record<string, string>;
    readonly cwd: string;
    readonly onStart?: ((borg: ChildProcess) => void) | undefined;
  },
): Promise<Ran> {
  const { env, cwd, onStart } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env, cwd, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (typeof error?.code === "string") reject(error);
      else resolve({ code: error ? (error.code ?? -1) : 0, stdout, stderr });
    });
    child.stdin?.end(); // borg would wait for an answer to a question
    onStart?.(child);
  });
}

export interface RawClient {
  /** The name of the exception that it raised, or ""; "closed" when the connection was. */
  call(method: string, args?: Data): Promise<string>;
  send(bytes: Buffer): void;
  end(): void;
}

/** A client that says what it likes. */
export function rawClient(link: Duplex): RawClient {
  const answers = new Map<number, (exception: string) => void>();
  const split = messageSplitter({ messageBytes: 1 << 25, depth: 10, values: 1000, rawBytes: 1000 });
  let last = 0;
  link.on("error", () => {});
  link.on("close", () => {
    for (const answer of answers.values()) answer("closed");
  });
  link.on("data", (data: Buffer) => {
    for (const { value } of split(data)) {
      const parts = namesOf(value);
      const id = parts.get("i");
      const exception = parts.get("exception_class");
      if (id?.type !== "integer") continue;
      answers.get(Number(id.value))?.(exception?.type === "raw" ? String(exception.bytes) : "");
    }
  });
  return {
    send: (bytes) => void link.write(bytes),
    call(method, args = {}) {
      const id = ++last;
      link.write(encode({ i: id, m: method, a: args }));
      return new Promise((resolve) => answers.set(id, resolve));
    },
    end: () => void link.end(),
  };
}

const namesOf = (value: Value): ReadonlyMap<string, Value> =>
  new Map(
    value.type === "map"
      ? value.entries.map(([key, part]) => [key.type === "raw" ? String(key.bytes) : "", part])
      : [],
  );

export const negotiate = encode([1, 0, "negotiate", [{ client_version: [1, 2, 4] }]]);

export const openArgs = {
  path: `/./${job}`,
  create: false,
  lock_wait: 10,
  lock: true,
  exclusive: true,
  append_only: false,
  make_parent_dirs: false,
} as const;

/** Has negotiated and opened. */
export async function connectRaw({ socketPath }: Listening): Promise<RawClient> {
  const client = rawClient(net.connect(socketPath));
  client.send(negotiate);
  if ((await client.call("open", openArgs)) !== "") throw new Error("it was not opened");
  return client;
}
