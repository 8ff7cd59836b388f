/** One run of a tool: how long it took, and what it cost this machine and the hosts. */
import { spawn } from "node:child_process";
import * as crypto from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { foldersOf, inOwnCgroup, processesIn, removeCgroup } from "../../sandbox/cgroup.ts";
import type { Command, Ended } from "./contender.ts";
import type { Machines } from "./machine.ts";

export interface Cost {
  readonly wallSeconds: number;
  /** User and system, of the tool and of everything that it started. */
  readonly toolCpuSeconds: number;
  /** Of all hosts together: their sshd, and what the tool had them do. */
  readonly hostCpuSeconds: number;
}

/** Runs it to its end, however it ends. Whatever it leaves running (a shared connection, say) is ended, so that the next run begins cold. */
export async function measure(
  machines: Machines,
  { argv, cwd, env }: Command,
): Promise<Ended & { readonly cost: Cost }> {
  await loggedOut(machines);
  const group = `bench-${crypto.randomBytes(4).toString("hex")}`;
  const [program, ...args] = await inOwnCgroup(group, argv);
  const hostsBefore = hostCpu(machines);
  const began = performance.now();
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const closed = once(child, "close");
  const [code] = (await once(child, "exit")) as [number | null];
  const wallSeconds = (performance.now() - began) / 1000;
  const toolCpuSeconds = cpuSeconds(group);
  const hostCpuSeconds = hostCpu(machines) - hostsBefore;
  endAll(group);
  await closed;
  removeCgroup(group);
  return {
    code,
    output: stripVTControlCharacters(output),
    cost: { wallSeconds, toolCpuSeconds, hostCpuSeconds },
  };
}

function endAll(group: string): void {
  for (const pid of processesIn(group)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // ended by itself in between
    }
  }
}

/** Of a cgroup and all below, those that ended too. */
export function cpuSeconds(group: string): number {
  const folder = foldersOf(group).find((found) => existsSync(path.join(found, "cpu.stat")));
  if (!folder) throw new Error(`No cgroup 2 named ${group}.`);
  return Number(/^usage_usec (\d+)$/m.exec(readFileSync(path.join(folder, "cpu.stat"), "utf8"))?.[1]) / 1e6;
}

/** The cgroups of all hosts. */
const groupsOf = ({ lab, hosts }: Machines): readonly string[] =>
  hosts.map(({ name }) => `${path.basename(lab.folder)}-${name}`);

export const hostCpu = (machines: Machines): number =>
  groupsOf(machines).reduce((sum, group) => sum + cpuSeconds(group), 0);

/** Waits until nobody is logged in anywhere: systemd's manager for a user, started at a login, goes with the last session. */
async function loggedOut(machines: Machines): Promise<void> {
  const limit = performance.now() + 60_000;
  for (const group of groupsOf(machines)) {
    const slices = foldersOf(group).map((folder) => path.join(folder, "payload/user.slice"));
    const folder = slices.find((slice) => existsSync(path.join(path.dirname(slice), "cpu.stat")));
    while (folder && existsSync(folder) && subfolders(folder) > 0) {
      if (performance.now() > limit) throw new Error(`${group}: a login does not end.`);
      await pause(50);
    }
  }
}

const subfolders = (folder: string): number =>
  readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
