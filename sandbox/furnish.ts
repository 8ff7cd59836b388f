/** What makes a fresh copy of a base tree one host: its name, machine id, host keys and login. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { command } from "./command.ts";
import type { HostRecord } from "./state.ts";

/** @param root the host's file system, mounted, the host not running */
export async function furnish(root: string, host: HostRecord, adminPublicKey: string): Promise<void> {
  const file = (name: string, content: string) => fs.writeFile(path.join(root, name), content);
  await file("etc/hostname", `${host.name}\n`);
  await file("etc/hosts", `127.0.0.1\tlocalhost\n127.0.1.1\t${host.name}\n::1\tlocalhost\n`);
  await file("etc/machine-id", `${randomBytes(16).toString("hex")}\n`);
  await makeHostKeys(root, host.name);
  if (host.login === "root") await authorize(root, "/root", "0:0", adminPublicKey);
  else await makeAdmin(root, adminPublicKey);
}

/** Fresh host keys in place of those that are there. No RSA: it takes a second, and nobody pins it. */
export async function makeHostKeys(root: string, hostname: string): Promise<void> {
  for (const type of ["ed25519", "ecdsa"]) {
    const key = path.join(root, `etc/ssh/ssh_host_${type}_key`);
    await fs.rm(key, { force: true });
    await command(["ssh-keygen", "-q", "-t", type, "-N", "", "-C", `root@${hostname}`, "-f", key]);
  }
}

/** Type and base64 of each host key, ed25519 first. @param layer a tree that holds etc/ssh */
export function readHostKeys(layer: string): string[] {
  const folder = path.join(layer, "etc/ssh");
  return readdirSync(folder)
    .filter((name) => /^ssh_host_.*_key\.pub$/.test(name))
    .sort()
    .reverse()
    .map((name) => readFileSync(path.join(folder, name), "utf8").split(" ").slice(0, 2).join(" "));
}

/** As many providers leave a VPS: root may not log in, admin may do everything by sudo. */
async function makeAdmin(root: string, publicKey: string): Promise<void> {
  await command([
    "chroot",
    root,
    "useradd",
    "--create-home",
    "--shell",
    "/bin/bash",
    "--password",
    "*",
    "admin",
  ]);
  await fs.writeFile(path.join(root, "etc/sudoers.d/admin"), "admin ALL=(ALL) NOPASSWD: ALL\n", {
    mode: 0o440,
  });
  await fs.writeFile(path.join(root, "etc/ssh/sshd_config.d/10-no-root.conf"), "PermitRootLogin no\n");
  const owner = (await command(["chroot", root, "id", "-u", "admin"])).trim();
  await authorize(root, "/home/admin", `${owner}:${owner}`, publicKey);
}

async function authorize(root: string, home: string, owner: string, publicKey: string): Promise<void> {
  const folder = path.join(root, home, ".ssh");
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  await fs.writeFile(path.join(folder, "authorized_keys"), publicKey, { mode: 0o600 });
  await command(["chown", "-R", owner, folder]);
}
