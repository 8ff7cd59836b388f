/**
 * A booted host needs a cgroup of its own: systemd-nspawn without one shares it with its neighbours, and their systemds then see each other's
 * processes (units that never end, a halt that takes seconds). Where systemd is PID 1 it makes one; elsewhere we do.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import type { Argv } from "./command.ts";

/** cgroup 2, and the one of cgroup 1 that systemd uses: in a hybrid set-up there are both. */
function hierarchies() {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .flatMap((fields) => {
      const [type, , options = ""] = fields.slice(fields.indexOf("-") + 1);
      const wanted = type === "cgroup2" || options.split(",").includes("name=systemd");
      return wanted && fields[4] !== undefined ? [fields[4]] : [];
    });
}

const systemdRuns = () => existsSync("/run/systemd/system");

/** Where the cgroup named `id` is in each hierarchy. */
export const foldersOf = (id: string) =>
  hierarchies().map((mountPoint) => path.join(mountPoint, systemdRuns() ? `system.slice/${id}.scope` : id));

/** The command that runs `argv` in a cgroup named `id`. The process stays the same one: it replaces itself. */
export async function inOwnCgroup(id: string, argv: Argv): Promise<Argv> {
  if (systemdRuns()) {
    return [
      "systemd-run",
      "--scope",
      "--quiet",
      "--collect",
      `--unit=${id}`,
      "--property=Delegate=yes",
      "--",
      ...argv,
    ];
  }
  const folders = foldersOf(id);
  for (const folder of folders) await fs.mkdir(folder, { recursive: true });
  const enter = folders.map((folder) => `echo $$ >${folder}/cgroup.procs && `).join("");
  return ["sh", "-c", `${enter}exec "$@"`, "sh", ...argv];
}

/** Every process in the cgroup named `id` and below. */
export const processesIn = (id: string): ReadonlySet<number> =>
  new Set(foldersOf(id).flatMap(processesBelow));

function processesBelow(folder: string): number[] {
  const own = readText(path.join(folder, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
  return [...own, ...subfolders(folder).flatMap(processesBelow)];
}

/** Removes what `inOwnCgroup` and the host left; its processes have ended. */
export const removeCgroup = (id: string): void => foldersOf(id).forEach(removeTree);

function removeTree(folder: string): void {
  subfolders(folder).forEach(removeTree);
  try {
    rmdirSync(folder);
  } catch {
    // Busy for a moment after its last process ended, or gone: an empty cgroup does no harm and is used again.
  }
}

/** Stops every process of the host in cgroup `id` where it stands, or lets them go on. */
export function setFrozen(id: string, frozen: boolean): void {
  const folder = foldersOf(id).find((candidate) => existsSync(path.join(candidate, "payload/cgroup.freeze")));
  if (!folder) throw new Error(`No cgroup 2 named ${id} to freeze.`);
  writeFileSync(path.join(folder, "payload/cgroup.freeze"), frozen ? "1" : "0");
}

/** Empty for a cgroup that has gone. */
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** None for a cgroup that has gone. */
function subfolders(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => path.join(folder, entry.name));
  } catch {
    return [];
  }
}
