/** A command at home, and what it and all that it starts take of this machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { text } from "node:stream/consumers";
import { inOwnCgroup, processesIn, removeCgroup } from "../../sandbox/cgroup.ts";
import type { Argv } from "../../sandbox/command.ts";

export interface Measured {
  readonly seconds: number;
  /** Of the command and of every process below it. */
  readonly cpuSeconds: number;
  /** The most that each program held at once, by its name: {"node": 80e6, "borg": 60e6}; of several of a name, the largest. */
  readonly peakBytes: Readonly<Record<string, number>>;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MeasureOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/**
 * The shell is in the cgroup too, and reads there what everything took: a child that outlives the command is waited for, off the clock.
 * fd 3 gets: begun, ended (nanoseconds), exit code, CPU time (microseconds).
 */
const script = `
group="$1$(sed -n s/^0:://p /proc/self/cgroup)"
shift
began=$(date +%s%N)
code=0
"$@" 3>&- || code=$?
ended=$(date +%s%N)
for each in $(seq 200); do
  [ "$(wc -l < "$group/cgroup.procs")" -gt 2 ] || break
  sleep 0.05
done
echo "$began $ended $code $(sed -n 's/^usage_usec //p' "$group/cpu.stat")" >&3`;

/** @throws when the command cannot be started at all */
export async function measure(argv: Argv, options: MeasureOptions = {}): Promise<Measured> {
  const id = `borgpull-bench-${process.pid}-${Date.now()}`;
  const [program, ...args] = await inOwnCgroup(id, ["sh", "-c", script, "sh", unifiedMount(), ...argv]);
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    cwd: options.cwd,
    env: { PATH: process.env.PATH, LANG: "C.UTF-8", ...options.env },
  });
  const peakBytes: Record<string, number> = {};
  const watch = setInterval(() => {
    for (const pid of processesIn(id)) notePeak(pid, peakBytes);
  }, 100);
  const endAll = () => {
    for (const pid of processesIn(id)) process.kill(pid);
  };
  process.once("exit", endAll);
  try {
    const [stdout, stderr, told] = await Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      text(child.stderr as NodeJS.ReadableStream),
      text(child.stdio[3] as NodeJS.ReadableStream),
      once(child, "close"),
    ]);
    const [began = 0, ended = 0, code = 1, micros = 0] = told.trim().split(" ").map(Number);
    return {
      seconds: (ended - began) / 1e9,
      cpuSeconds: micros / 1e6,
      peakBytes,
      code,
      stdout,
      stderr,
    };
  } finally {
    clearInterval(watch);
    process.off("exit", endAll);
    removeCgroup(id);
  }
}

/** VmHWM is the most that it ever held: the last look is enough. */
function notePeak(pid: number, peaks: Record<string, number>): void {
  try {
    const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
    const name = /^Name:\t(.*)$/m.exec(status)?.[1] ?? "?";
    // A node thread names the process it is in (MainThread) where it can.
    const program = /node/.test(fs.readlinkSync(`/proc/${pid}/exe`)) ? "node" : name;
    const bytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    peaks[program] = Math.max(peaks[program] ?? 0, bytes);
  } catch {
    // it ended
  }
}

function unifiedMount(): string {
  const lines = fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const found = lines.find((line) => line.split(" - ")[1]?.startsWith("cgroup2 "));
  if (!found) throw new Error("This machine has no cgroup 2.");
  return found.split(" ")[4] as string;
}
