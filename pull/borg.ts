import { spawn } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as z from "zod";
import { UserError } from "../schema/errors.ts";
import { homePaths } from "../schema/paths.ts";
import { readPassphrase } from "./passphrase.ts";
import type { Archive } from "./result.ts";

export interface RepositoryAccess {
  /** Folder of the repository, on this machine. */
  readonly repository: string;
  readonly passphraseFile: string;
}

export interface ListedArchive extends Archive {
  /** As the VPS's clock had it; never trusted for retention. */
  readonly start: string;
}

interface BorgResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface BorgOptions {
  readonly passphrase?: string;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  readonly timeoutSeconds?: number;
}

/**
 * The environment of every borg at home: nothing of the caller's but PATH. The host id is fixed, so that the lock of a killed
 * `borg serve` is recognised as dead on this machine (a random MAC in a container breaks borg's own id).
 */
export function borgEnvironment(state: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: os.homedir(),
    LANG: "C.UTF-8",
    TZ: "UTC",
    BORG_BASE_DIR: path.join(state, "borg"),
    BORG_HOST_ID: hostId(),
    BORG_EXIT_CODES: "modern",
    BORG_DISPLAY_PASSPHRASE: "no",
    // Where the repository lies is our own job file's word: moving it is no alarm at home (it is one on the VPS).
    BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
  };
}

function hostId(): string {
  let machine: string;
  try {
    machine = fs.readFileSync("/etc/machine-id", "utf8").trim();
  } catch {
    machine = os.hostname();
  }
  return `borgpull-${crypto.createHash("sha256").update(machine).digest("hex").slice(0, 16)}`;
}

/** Runs borg at home, found on PATH; the passphrase goes in by a file descriptor. The child is ended with the call. */
async function borg(args: readonly string[], options: BorgOptions = {}): Promise<BorgResult> {
  const { state } = homePaths();
  fs.mkdirSync(path.join(state, "borg"), { recursive: true, mode: 0o700 });
  const timeout = AbortSignal.timeout((options.timeoutSeconds ?? 600) * 1000);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const child = spawn("borg", args, {
    cwd: options.cwd,
    env: {
      ...borgEnvironment(state),
      ...(options.passphrase === undefined ? {} : { BORG_PASSPHRASE_FD: "3" }),
    },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    signal, // SIGTERM: borg releases its locks
  });
  const input = child.stdio[3] as NodeJS.WritableStream;
  input.on("error", () => {}); // borg may end without having asked
  input.end(options.passphrase === undefined ? "" : `${options.passphrase}\n`);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-64_000);
  });
  const failed = Promise.withResolvers<Error | undefined>();
  let failure: Error | undefined;
  child.on("error", (error) => {
    failure = error;
    if (child.pid === undefined) failed.resolve(error);
  });
  child.on("close", () => failed.resolve(undefined));
  await failed.promise;
  options.signal?.throwIfAborted();
  if ((failure as NodeJS.ErrnoException | undefined)?.code === "ENOENT") throw noBorgAtHome(failure);
  if (timeout.aborted) {
    throw new UserError(
      `borg ${args[0]} did not end within ${options.timeoutSeconds ?? 600} s.`,
      "Look at the repository's disk.",
    );
  }
  if (failure) throw failure;
  return { code: child.exitCode, stdout, stderr };
}

const noBorgAtHome = (cause?: unknown) =>
  new UserError("borg is not installed on this machine.", "Install it: apt install borgbackup", { cause });

/**
 * The version of borg at home, such as "1.2.4".
 * @throws UserError when there is none, or one that borgpull does not work with
 */
export async function borgVersion(): Promise<string> {
  const { stdout } = await borg(["--version"], { timeoutSeconds: 60 });
  const version = /^borg (\S+)/.exec(stdout)?.[1];
  if (!version || !/^1\.[24]\./.test(version)) {
    throw new UserError(
      `borg ${version ?? "of an unknown version"} is installed on this machine; borgpull works with 1.2 and 1.4.`,
      "Install one of these: apt install borgbackup",
    );
  }
  return version;
}

/** Makes a repository; its parent folders too. @throws UserError when borg refuses */
export async function initRepository(
  options: RepositoryAccess & {
    readonly encryption: "repokey-blake2" | "repokey" | "authenticated-blake2" | "authenticated";
  },
): Promise<{ readonly id: string }> {
  const passphrase = readPassphrase(options.passphraseFile);
  await borgVersion();
  const result = await borg(
    ["init", "--make-parent-dirs", "--umask=077", "--encryption", options.encryption, options.repository],
    { passphrase },
  );
  if (result.code !== 0) throw refused("init", options.repository, result);
  return { id: repositoryId(options.repository) as string };
}

/** A repository's id from its config file, without lock, key or borg; undefined where there is no repository. */
export function repositoryId(repository: string): string | undefined {
  let config: string;
  try {
    config = fs.readFileSync(path.join(repository, "config"), "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
  return /^\[repository\]/m.test(config) ? /^id\s*=\s*([0-9a-f]{64})$/m.exec(config)?.[1] : undefined;
}

const listing = z.object({
  archives: z.array(
    z.object({ name: z.string(), id: z.string().regex(/^[0-9a-f]{64}$/), start: z.string() }),
  ),
});

/** The archives of a repository, oldest first by their own clock; checkpoints not among them. @throws UserError when borg refuses */
export async function listArchives(
  options: RepositoryAccess & { readonly lockWaitSeconds?: number; readonly signal?: AbortSignal },
): Promise<readonly ListedArchive[]> {
  const passphrase = readPassphrase(options.passphraseFile);
  const result = await borg(
    ["--lock-wait", String(options.lockWaitSeconds ?? 60), "list", "--json", options.repository],
    {
      passphrase,
      ...(options.signal ? { signal: options.signal } : {}),
      timeoutSeconds: (options.lockWaitSeconds ?? 60) + 600,
    },
  );
  if (result.code !== 0) throw refused("list", options.repository, result);
  return listing
    .parse(JSON.parse(result.stdout))
    .archives.map(({ name, id, start }) => ({ name, id, start }));
}

/**
 * Extracts one file or folder of an archive below the folder `to`, keeping its path.
 * @param options.path as it was on the VPS
 * @returns where it now is
 */
export async function restoreFile(
  options: RepositoryAccess & { readonly archive: string; readonly path: string; readonly to: string },
): Promise<string> {
  const passphrase = readPassphrase(options.passphraseFile);
  const inside = path.posix.normalize(options.path).replace(/^\/+/, "");
  fs.mkdirSync(options.to, { recursive: true, mode: 0o700 });
  const result = await borg(
    ["--lock-wait", "60", "extract", `${options.repository}::${options.archive}`, `pp:${inside}`],
    { passphrase, cwd: options.to, timeoutSeconds: 24 * 3600 },
  );
  const restored = path.join(options.to, inside);
  if (result.code !== 0 || !fs.existsSync(restored)) throw refused("extract", options.repository, result);
  return restored;
}

function refused(verb: string, repository: string, { code, stderr }: BorgResult): UserError {
  const said = stderr.trim().split("\n").at(-1) ?? "";
  const remedy = /passphrase supplied/i.test(stderr)
    ? "Put the repository's own passphrase into the passphrase file."
    : /lock/i.test(said)
      ? "Wait until the other borg has ended."
      : "Look at what borg says.";
  return new UserError(`borg ${verb} of ${repository} failed (${code ?? "killed"}): ${said}`, remedy);
}
