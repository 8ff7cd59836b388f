/** A host's disk: the base tree below, its own changes above, joined by overlayfs. */
import { existsSync, readFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";
import { attempt, command } from "./command.ts";

export interface Disk {
  readonly lower: string;
  readonly upper: string;
  readonly work: string;
  readonly root: string;
}

export const diskOf = (folder: string, lower: string): Disk => ({
  lower,
  upper: path.join(folder, "upper"),
  work: path.join(folder, "work"),
  root: path.join(folder, "root"),
});

export async function ensureMounted(disk: Disk): Promise<void> {
  if (mounted(disk.root)) return;
  if (!existsSync(disk.lower)) {
    throw new UserError(
      `The base tree that a sandbox host was booted from has gone (${disk.lower}).`,
      "Remove the hosts, and boot fresh ones: npm run sandbox -- down",
    );
  }
  for (const folder of [disk.upper, disk.work, disk.root]) await fs.mkdir(folder, { recursive: true });
  const layers = `lowerdir=${disk.lower},upperdir=${disk.upper},workdir=${disk.work}`;
  const outcome = await attempt(["mount", "-t", "overlay", "overlay", "-o", layers, disk.root]);
  if (outcome.code === 0) return;
  throw new UserError(
    `The disk of a sandbox host cannot be mounted (${outcome.stderr.trim()}).`,
    "Set BORGPULL_SANDBOX to a folder on ext4, xfs, btrfs or tmpfs, and run with the right to mount.",
  );
}

export async function unmount(disk: Disk): Promise<void> {
  if (mounted(disk.root)) await command(["umount", disk.root]);
}

/** Forgets every change; unmounted before, mounted after. */
export async function wipe(disk: Disk): Promise<void> {
  await unmount(disk);
  await fs.rm(disk.upper, { recursive: true, force: true });
  await fs.rm(disk.work, { recursive: true, force: true });
  await ensureMounted(disk);
}

const mounted = (folder: string) =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[1] === folder);
