import { spawn } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import { homePaths } from "../../schema/paths.ts";
import { timerMilliseconds } from "../../schema/timer.ts";
import { clean, lineReader, sentence } from "../lines.ts";
import { parseMessage } from "../session/messages.ts";

export interface RepositoryAccess {
  /** Folder of the repository, on this machine. */
  readonly repository: string;
  readonly passphraseFile: string;
}

export interface BorgResult {
  readonly code: number | null;
  readonly stdout: string;
  /** Its last 64 kB. */
  readonly stderr: string;
}

export interface BorgOptions {
  readonly passphrase?: string;
  /** For a change of it. borg takes it from its environment alone, which this user and root can read while it runs. */
  readonly newPassphrase?: string;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  /** @default 600 */
  readonly timeoutSeconds?: number;
  /** Each line of standard error, as it comes. */
  readonly onLine?: (line: string) => void;
  /** Each line of standard output, as it comes; none of it is kept then. */
  readonly onOutput?: (line: string) => void;
  /** Memory that it may take, in bytes: what a VPS made can grow without end when it is unpacked. */
  readonly memoryBytes?: number;
  /** It changes the repository: the kernel kills it when this process dies, so that nothing happens behind the next gate's back. */
  readonly writes?: boolean;
}

/** What is listed of a repository is the VPS's: no more than this is read; 200,000 archives are less. */
const outputLimit = 64 << 20;

/** borg said more, or took longer, than for anything that a backup makes. */
export class BeyondLimitsError extends UserError {
  override readonly name = "BeyondLimitsError";
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
    // One that is only authenticated, on a machine that has forgotten it; which repository it is, its config tells (trust/config-file.ts).
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
  };
}

/** The name of this machine in borg's locks: `<id>.<pid>-<thread>`. */
export function hostId(): string {
  let machine: string;
  try {
    machine = fs.readFileSync("/etc/machine-id", "utf8").trim();
  } catch {
    machine = os.hostname();
  }
  return `borgpull-${crypto.createHash("sha256").update(machine).digest("hex").slice(0, 16)}`;
}

/** Before borg's own words: it is killed with its parent, which may be dead before it could ask for that: `$PPID` tells. No text of anybody's is in the script. */
export const endingWithUs = [
  ...["setpriv", "--pdeathsig", "KILL"],
  ...["sh", "-c", '[ "$PPID" = "$0" ] && exec borg "$@"', String(process.pid)],
] as const;

/**
 * Runs borg at home, found on PATH; the passphrase goes in by a file descriptor. The child is ended with the call.
 * @throws UserError when there is no borg, or when it does not end in time
 */
export async function borg(args: readonly string[], options: BorgOptions = {}): Promise<BorgResult> {
  const { state } = homePaths();
  fs.mkdirSync(path.join(state, "borg"), { recursive: true, mode: 0o700 });
  const seconds = options.timeoutSeconds ?? 600;
  const timeout = AbortSignal.timeout(timerMilliseconds(seconds));
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const limited = options.memoryBytes === undefined ? [] : ["prlimit", `--as=${options.memoryBytes}`];
  const [program = "borg", ...words] = [...limited, ...(options.writes ? endingWithUs : ["borg"]), ...args];
  const child = spawn(program, words, {
    cwd: options.cwd,
    env: {
      ...borgEnvironment(state),
      ...(options.passphrase === undefined ? {} : { BORG_PASSPHRASE_FD: "3" }),
      ...(options.newPassphrase === undefined ? {} : { BORG_NEW_PASSPHRASE: options.newPassphrase }),
    },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    signal, // SIGTERM: borg releases its locks
  });
  const input = child.stdio[3] as NodeJS.WritableStream;
  input.on("error", () => {}); // borg may end without having asked
  input.end(options.passphrase === undefined ? "" : `${options.passphrase}\n`);
  const stdout: Buffer[] = [];
  let size = 0;
  let stderr = "";
  const keep = (data: Buffer) => {
    size += data.length;
    if (size <= outputLimit) stdout.push(data);
    else child.kill();
  };
  child.stdout?.on("data", options.onOutput ? lineReader(options.onOutput) : keep);
  child.stderr?.on("data", (data: Buffer) => {
    stderr = (stderr + data.toString("utf8")).slice(-64_000);
  });
  if (options.onLine) child.stderr?.on("data", lineReader(options.onLine));
  const failed = Promise.withResolvers<void>();
  let failure: Error | undefined;
  child.on("error", (error) => {
    failure = error;
    if (child.pid === undefined) failed.resolve();
  });
  child.on("close", () => failed.resolve());
  await failed.promise;
  options.signal?.throwIfAborted();
  if ((failure as NodeJS.ErrnoException | undefined)?.code === "ENOENT") {
    const remedy = `Install it: apt install ${program === "borg" ? "borgbackup" : "util-linux"}`;
    throw new UserError(`${program} is not installed on this machine.`, remedy, { cause: failure });
  }
  if (timeout.aborted) {
    throw new BeyondLimitsError(
      `borg ${args.find((arg) => !arg.startsWith("-") && !/^\d+$/.test(arg))} did not end within ${seconds} s.`,
      "Look at the repository's disk.",
    );
  }
  if (size > outputLimit) {
    throw new BeyondLimitsError("borg lists more than any backup makes.", "Look at the repository.");
  }
  if (failure) throw failure;
  return { code: child.exitCode, stdout: Buffer.concat(stdout).toString("utf8"), stderr };
}

/** The last error that borg wrote, in plain text or as --log-json. */
export function lastError(stderr: string): { readonly msgid?: string; readonly message: string } {
  const messages = stderr
    .trim()
    .split("\n")
    .flatMap((line) => parseMessage(line) ?? []);
  const error = messages.findLast((message) => message.type === "log" && message.level === "error");
  if (error?.type === "log")
    return { message: error.message, ...(error.msgid ? { msgid: error.msgid } : {}) };
  const last = messages.findLast((message) => message.type !== "progress");
  return { message: last?.message ?? "" };
}

/** borg's refusal as what a person can mend. */
export function refused(verb: string, repository: string, { code, stderr }: BorgResult): UserError {
  const { message } = lastError(stderr);
  // What borg says of itself after an error's traceback is no help.
  const [error = ""] = message.split(/\n\s*Platform: /);
  const said = clean(error.trim().split("\n").at(-1) ?? "");
  const remedy = /passphrase supplied/i.test(stderr)
    ? "Put the repository's own passphrase into the passphrase file."
    : /lock/i.test(said)
      ? "Wait until the other borg has ended."
      : /\[Errno (28|122)\]/.test(said)
        ? "Make room on its disk, then run it again."
        : "Look at what borg says.";
  return new UserError(
    sentence(`borg ${verb} of ${repository} failed (${code ?? "killed"}): ${said}`),
    remedy,
  );
}

/**
 * Of a disk that fails, is full, or is a network's: EPERM, EIO, ENXIO, ENOMEM, EACCES, EBUSY, ENODEV, ENFILE, EMFILE, ENOSPC, EROFS, ENODATA,
 * EBADMSG, ESHUTDOWN to ETIMEDOUT, ECONNREFUSED to EHOSTUNREACH, ESTALE, EUCLEAN, EREMOTEIO, EDQUOT, ENOMEDIUM and the like.
 */
const homesErrno =
  /^\w*(Error|Denied): \[Errno (1|5|6|12|13|16|19|23|24|28|30|61|74|10[3478]|11[0123]|11[67]|12[1-4])\]/m;

/**
 * Whether it is home's own matter that borg failed (a lock, a full disk), and no repository that is not as it was: by the class of the error, as a VPS may write any words into
 * what borg then quotes.
 */
export function ownTrouble(stderr: string): boolean {
  const { msgid = "", message } = lastError(stderr);
  return (
    /Lock|Passphrase|DoesNotExist|^OSError$|PermissionError|MemoryError/.test(msgid) ||
    homesErrno.test(message)
  );
}
