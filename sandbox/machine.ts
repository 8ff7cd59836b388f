/** One booted Debian: systemd-nspawn ("supervisor") and the systemd that is PID 1 inside ("leader"). */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { inOwnCgroup, processesIn } from "./cgroup.ts";
import type { Argv } from "./command.ts";
import type { HostRecord } from "./state.ts";

export interface Machine {
  /** Unique on this machine. */
  readonly id: string;
  readonly hostname: string;
  /** Folder of its root file system: also what finds its supervisor again. */
  readonly root: string;
  readonly namespace: string;
  readonly binds: HostRecord["binds"];
  readonly consoleLog: string;
}

const escapeColons = (file: string) => file.replaceAll("\\", "\\\\").replaceAll(":", "\\:");

function nspawn(machine: Machine): Argv {
  return [
    "systemd-nspawn",
    "--quiet",
    "--boot",
    "--register=no",
    "--keep-unit",
    `--directory=${machine.root}`,
    `--machine=${machine.id}`,
    `--hostname=${machine.hostname}`,
    `--network-namespace-path=/run/netns/${machine.namespace}`,
    "--resolv-conf=off",
    "--timezone=off",
    ...machine.binds.map(
      ({ from, to, readOnly }) => `--bind${readOnly ? "-ro" : ""}=${escapeColons(from)}:${escapeColons(to)}`,
    ),
  ];
}

/** Starts it, detached: it outlives this process. Its console goes to a file. */
export async function launch(machine: Machine): Promise<void> {
  await manyInotifyInstances();
  const [program, ...args] = await inOwnCgroup(machine.id, nspawn(machine));
  const log = await fs.open(machine.consoleLog, "w");
  // cgroup 2 inside whatever the machine has: systemd 256 and later refuse to boot on the old ones.
  const env = { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" };
  const child = spawn(program, args, { stdio: ["ignore", log.fd, log.fd], detached: true, env });
  await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  child.unref();
  await log.close();
}

/** Each systemd takes about ten inotify instances, and the kernel's default is 128 for all of root. */
async function manyInotifyInstances(): Promise<void> {
  const file = "/proc/sys/fs/inotify/max_user_instances";
  if (Number(await fs.readFile(file, "utf8")) < 1024) await fs.writeFile(file, "1024\n");
}

/** The running supervisor, found by its arguments: no pid file that could be stale, none missing after a crash. */
export function supervisorOf(machine: Machine): number | undefined {
  const wanted = `--directory=${machine.root}`;
  const found = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => procText(pid, "cmdline").split("\0").includes(wanted))
    .map(Number);
  // Until the leader has become systemd it is a copy of its parent.
  return found.find((pid) => !found.includes(Number(/^PPid:\t(\d+)/m.exec(procText(pid, "status"))?.[1])));
}

/** PID 1 of the host, once there is one. */
export function leaderOf(supervisor: number): number | undefined {
  return procText(supervisor, `task/${supervisor}/children`)
    .split(" ")
    .filter(Boolean)
    .map(Number)
    .find((pid) => /^NSpid:\t.*\t1$/m.test(procText(pid, "status")));
}

/** Empty for a process that has ended. */
function procText(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** The command that runs `script` as root inside, beside the host's services and past its sshd. */
export function inside(leader: number, script: string, timeoutSeconds: number): Argv {
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const clean = ["env", "-i", path, "HOME=/root", "LANG=C.UTF-8"];
  const limited = ["timeout", "--kill-after=1", String(timeoutSeconds), "sh", "-c", script];
  return [
    "nsenter",
    `--target=${leader}`,
    "--mount",
    "--uts",
    "--ipc",
    "--net",
    "--pid",
    "--root",
    "--wd",
    ...clean,
    ...limited,
  ];
}

/** A process shows no arguments for a moment while it executes itself anew, as ours do on their way to systemd-nspawn: its cgroup has it. */
export const hasEnded = (machine: Machine): boolean =>
  supervisorOf(machine) === undefined && processesIn(machine.id).size === 0;

/** Ends it: an orderly halt, or as a power cut would. An orderly one that hangs becomes a power cut. */
export async function end(machine: Machine, how: "halt" | "power-cut"): Promise<void> {
  const gone = () => hasEnded(machine);
  if (how === "halt") {
    signal(supervisorOf(machine), "SIGTERM");
    if (await until(gone, 20)) return;
  }
  // When PID 1 ends, all of the host ends, and its systemd-nspawn tidies up after it.
  const supervisor = supervisorOf(machine);
  if (supervisor !== undefined) {
    signal(leaderOf(supervisor), "SIGKILL");
    if (await until(gone, 5)) return;
  }
  // It has no systemd-nspawn any more (a host outlives one that was killed), or no PID 1 yet.
  const killed = () => {
    for (const pid of processesIn(machine.id)) signal(pid, "SIGKILL");
    signal(supervisorOf(machine), "SIGKILL");
    return gone();
  };
  if (!(await until(killed, 20))) throw new Error(`${machine.id}: its processes cannot be ended.`);
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // ended in between
  }
}

/** Looks again and again until `done`, or until the limit is over: then false. */
export async function until(done: () => boolean | Promise<boolean>, limitSeconds: number): Promise<boolean> {
  const limit = performance.now() + limitSeconds * 1000;
  while (!(await done())) {
    if (performance.now() > limit) return false;
    await pause(20);
  }
  return true;
}
