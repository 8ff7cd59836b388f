/** borg on both ends of a served repository, as in a pull but without ssh and hosts: for what borg alone decides. */
import { type ChildProcessWithoutNullStreams, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import type { Socket } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { ensureBase } from "../../sandbox/base.ts";
import { waitFor } from "./pull-fixture.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A client's borg, and the `borg serve` that it talks to. */
export interface ClientSession {
  readonly client: ChildProcessWithoutNullStreams;
  /** Both have ended. */
  readonly ended: Promise<Ended>;
  /** Writes to the client's standard input, as fast as it reads, once there is a `borg serve`. */
  feed(data: Buffer): Promise<void>;
  killServe(): void;
}

/** Disposing of it ends the programs that a failed test left at work. */
export interface ServedBorg extends Disposable {
  /** Has the repository R, what a test puts beside it, and the caches of both sides. Every command runs in it. */
  readonly folder: string;
  readonly repository: string;
  /** borg at home, which has its own caches and the repository's path. @throws when it fails */
  home(...args: readonly string[]): Promise<string>;
  /** borg on a VPS, through `borg serve --append-only`. */
  client(args: readonly string[], stdin?: Socket): ClientSession;
  /** The same with nothing to read, to its end. @throws when it fails, warnings excepted */
  vps(...args: readonly string[]): Promise<string>;
  /** A peer that is no borg: see borg-rpc.py. @throws when it fails */
  rpc(
    calls: readonly (readonly [method: string, args: Readonly<Record<string, unknown>>])[],
  ): Promise<string>;
  /** What borg itself knows of the repository, its index brought up to date. */
  index(): Promise<{ readonly committed: number; readonly objects: Readonly<Record<string, string>> }>;
  /** The same again, in another folder. */
  copy(): ServedBorg;
}

/** Where a borg is installed: this machine's own, or that of a Debian which is not booted (needs root). */
export type Installation = "home" | "debian13";

/** @returns a folder with a new repository whose segments hold about 50 kB */
export async function servedBorg(installation: Installation): Promise<ServedBorg> {
  const base = installation === "home" ? undefined : await ensureBase(installation);
  const served = inFolder(fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-served-")), base);
  for (const script of ["borg-rpc.py", "borg-index.py"]) {
    fs.copyFileSync(path.join(import.meta.dirname, script), path.join(served.folder, script));
  }
  await served.home("init", "--encryption=repokey-blake2");
  const config = path.join(served.repository, "config");
  const text = fs
    .readFileSync(config, "utf8")
    .replace(/^max_segment_size = .*$/m, "max_segment_size = 50000");
  fs.writeFileSync(config, text);
  return served;
}

function inFolder(folder: string, base: string | undefined): ServedBorg {
  const seen = base === undefined ? folder : "/mnt"; // the folder, as borg sees it
  const serve = `cd ${seen} && echo $$ >serve.pid && exec borg serve --append-only --restrict-to-repository ./R`;
  const common = { PATH: process.env.PATH ?? "", LANG: "C.UTF-8", BORG_PASSPHRASE: "of a test" };
  const home = { ...common, BORG_BASE_DIR: `${seen}/home`, BORG_REPO: `${seen}/R` };
  const vps = {
    ...common,
    BORG_BASE_DIR: `${seen}/vps`,
    BORG_REPO: "ssh://borg/./R",
    BORG_RSH: `sh -c '${serve}'`,
  };

  const atWork = new Set<ChildProcessWithoutNullStreams>();
  const start = (argv: readonly string[], env: NodeJS.ProcessEnv, stdin: Socket | "pipe" = "pipe") => {
    const [file, ...args] = base === undefined ? argv : [...inBase, folder, base, ...argv];
    const stdio: StdioOptions = [stdin, "pipe", "pipe"];
    const child = spawn(file as string, args, { cwd: folder, env, stdio }) as ChildProcessWithoutNullStreams;
    atWork.add(child);
    child.once("exit", () => atWork.delete(child));
    return child;
  };
  const complete = async (argv: readonly string[], env: NodeJS.ProcessEnv) => {
    const child = start(argv, env);
    child.stdin.end();
    const { code, stdout, stderr } = await outcome(child);
    if (code !== 0) throw new Error(`${argv.join(" ")}: ${code}: ${stdout}${stderr}`);
    return stdout;
  };
  const servePid = () => {
    const file = path.join(folder, "serve.pid");
    return fs.existsSync(file) ? Number(fs.readFileSync(file, "utf8")) || undefined : undefined;
  };
  const client = (args: readonly string[], stdin?: Socket): ClientSession => {
    fs.rmSync(path.join(folder, "serve.pid"), { force: true });
    const child = start(["borg", ...args], vps, stdin);
    child.stdin?.on("error", () => {}); // it has been killed
    return {
      client: child,
      ended: (async () => {
        const ended = await outcome(child);
        const pid = servePid();
        await waitFor("the end of borg serve", () => pid === undefined || !fs.existsSync(`/proc/${pid}`));
        return ended;
      })(),
      async feed(data) {
        await waitFor("borg serve", () => servePid() !== undefined || child.exitCode !== null);
        await new Promise<void>((resolve) => {
          child.stdin.write(data, () => resolve());
        });
      },
      killServe: () => process.kill(servePid() as number, "SIGKILL"),
    };
  };

  return {
    folder,
    repository: path.join(folder, "R"),
    home: (...args) => complete(["borg", ...args], home),
    client,
    async vps(...args) {
      const session = client(args);
      session.client.stdin.end();
      const { code, stdout, stderr } = await session.ended;
      if (code !== 0 && code !== 1) throw new Error(`borg ${args.join(" ")}: ${code}: ${stdout}${stderr}`);
      return stdout;
    },
    rpc: (calls) => complete(["/usr/bin/python3", "borg-rpc.py", JSON.stringify(calls)], home),
    index: async () => JSON.parse(await complete(["/usr/bin/python3", "borg-index.py"], home)),
    copy() {
      const other = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-served-"));
      fs.cpSync(folder, other, { recursive: true, preserveTimestamps: true });
      return inFolder(other, base);
    },
    [Symbol.dispose]() {
      for (const child of atWork) child.kill("SIGKILL"); // and a `borg serve` ends with its client
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** In a mount namespace of its own, so that nothing is left behind; every program is replaced by the next, so that its pid is borg's. */
const inBase = [
  "unshare",
  "--mount",
  "--propagation=private",
  "sh",
  "-euc",
  `mount --bind "$1" "$2/mnt"
mount -t proc none "$2/proc"
mount --rbind /dev "$2/dev"
base=$2
shift 2
exec chroot "$base" sh -c 'cd /mnt && exec "$@"' sh "$@"`,
  "sh",
];

async function outcome(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code, stdout, stderr };
}
