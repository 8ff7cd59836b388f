import { spawn } from "node:child_process";
import { once } from "node:events";
import * as os from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { timerMilliseconds } from "../../schema/timer.ts";
import { clean, lineReader } from "../lines.ts";

export interface ShellOptions {
  /** A person's own text, for /bin/sh -c. What a VPS says goes into `env` or `stdin`, never in here. */
  readonly run: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Left out: until `signal` ends it. */
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal | undefined;
  /** Each line that it writes, cleaned: no more than a thousand. */
  readonly onLine?: (line: string) => void;
}

/** How it ended; `said` is the last line that it wrote. */
export interface ShellEnd {
  readonly how: "exit" | "killed" | "timed-out" | "cancelled" | "not-started";
  /** Where how is "exit". */
  readonly code?: number;
  readonly said: string;
}

const mostLines = 1000;
/** From being asked to end to being made to. */
const graceMilliseconds = 3000;

/**
 * Runs a command of the person's at home, as the user who runs borgpull, with an environment of its own: nothing of ours is
 * inherited, no variable and no file descriptor. It ends with its whole process group: what it left in the background too.
 */
export async function shellAtHome(options: ShellOptions): Promise<ShellEnd> {
  const { run, env, stdin = "", timeoutSeconds, signal, onLine } = options;
  if (signal?.aborted) return { how: "cancelled", said: "" };
  const child = spawn("/bin/sh", ["-c", run], {
    cwd: "/",
    env: { ...surroundings(), ...env },
    stdio: "pipe",
    detached: true, // a process group of its own, and no Ctrl-C of the terminal's: it is told by us
  });
  let said = "";
  const read = lineReader(
    (line) => {
      said = clean(line, 200);
      onLine?.(clean(line));
    },
    { lines: mostLines },
  );
  for (const stream of [child.stdout, child.stderr]) stream.on("data", read);
  child.stdin.on("error", () => {}); // it need not read
  child.stdin.end(stdin);
  const { pid } = child;
  if (pid === undefined) {
    await once(child, "error").catch(() => {});
    return { how: "not-started", said };
  }
  const time =
    timeoutSeconds === undefined ? undefined : AbortSignal.timeout(timerMilliseconds(timeoutSeconds));
  const limits = [...(signal ? [signal] : []), ...(time ? [time] : [])];
  const closed = once(child, "close");
  const ended = await once(child, "exit", { signal: AbortSignal.any(limits) }).catch(() => undefined);
  await endGroup(pid);
  // Who has left the group may hold the pipes for ever.
  await Promise.race([closed, wait(graceMilliseconds, undefined, { ref: false })]);
  for (const stream of child.stdio) stream?.destroy();
  read(Buffer.from("\n")); // its last line may have no end
  if (!ended) return { how: signal?.aborted ? "cancelled" : "timed-out", said };
  const [code] = ended as [number | null];
  return code === null ? { how: "killed", said } : { how: "exit", code, said };
}

/** What went wrong, in a few words: "failed with exit code 3 (the disk is asleep)". */
export function describeEnd({ how, code, said }: ShellEnd, timeoutSeconds = 0): string {
  const ends = {
    exit: `failed with exit code ${code}`,
    killed: "was killed",
    "timed-out": `did not end within ${timeoutSeconds} s`,
    cancelled: "was cancelled",
    "not-started": "could not be started",
  } as const;
  return `${ends[how]}${said ? ` (${said})` : ""}`;
}

/** The same from a terminal and from a timer. */
function surroundings(): Record<string, string> {
  const { username, homedir } = os.userInfo();
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: homedir,
    USER: username,
    LOGNAME: username,
    LANG: "C.UTF-8",
  };
}

async function endGroup(leader: number): Promise<void> {
  const end = Date.now() + graceMilliseconds;
  let there = signalGroup(leader, "SIGTERM");
  while (there && Date.now() < end) {
    await wait(20);
    there = signalGroup(leader, 0);
  }
  if (there) signalGroup(leader, "SIGKILL");
}

/** @returns whether the group has anybody left */
function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch {
    return false;
  }
}
