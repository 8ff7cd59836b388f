import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import type { Target } from "../schema/target.ts";
import { removeCgroup, setFrozen } from "./cgroup.ts";
import { attempt } from "./command.ts";
import { type Disk, diskOf, ensureMounted, unmount, wipe } from "./disk.ts";
import { furnish, makeHostKeys, readHostKeys } from "./furnish.ts";
import { withLock } from "./lock.ts";
import { end, inside, launch, leaderOf, type Machine, supervisorOf } from "./machine.ts";
import { ensureBridge, ensureLink, type Link, linkOf, removeLink, setLink } from "./network.ts";
import { waitUntilReady } from "./ready.ts";
import { type HostRecord, lockFile } from "./state.ts";

/** A throwaway VPS. Handles hold no state: any process may take one up again. */
export interface Host {
  readonly name: string;
  readonly base: HostRecord["base"];
  readonly login: HostRecord["login"];
  readonly address: string;
  /** Private key that `login` may log in with. */
  readonly adminKeyFile: string;
  /** Folder of its root file system on this machine; without what is mounted inside (/run, /proc, and /tmp on Debian 13). */
  readonly root: string;
  readonly consoleLog: string;
  /** Its host keys as of now, "ssh-ed25519 AAAA...", ed25519 first. */
  readonly hostKeys: readonly string[];
  readonly running: boolean;
  /** How an administrator reaches it, with its host keys as of now. */
  target(): Target;
  /**
   * Runs a shell script as root inside, past sshd; its standard output. Throws with its standard error when it fails.
   * The script shows in the process list: a secret goes in by `stdin`.
   */
  run(script: string, options?: RunOptions): Promise<string>;
  /** Boots it, and waits until it can be logged in to. Nothing to do when it runs. */
  start(): Promise<void>;
  /** Shuts it down; nothing answers at its address then. */
  stop(): Promise<void>;
  /** Cuts its power: no goodbye on any connection. */
  kill(): Promise<void>;
  /** Every process stands still; the kernel goes on taking connections. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Pulls its network cable: packets vanish, connections hang. `plug` puts it back. */
  unplug(): Promise<void>;
  plug(): Promise<void>;
  /** Gives it new host keys, in force when this returns. */
  newHostKeys(): Promise<void>;
  /** A fresh Debian with new host keys at the same address, booted. */
  reinstall(): Promise<void>;
  /** Ends it and removes everything of it. */
  remove(): Promise<void>;
}

export interface RunOptions {
  readonly stdin?: string;
  /** @default 60 */
  readonly timeoutSeconds?: number;
}

/** What a host knows of its lab. */
export interface Surroundings {
  readonly labId: string;
  readonly subnet: number;
  readonly adminKeyFile: string;
}

/** @param folder the host's folder, which holds its record */
export function hostHandle(folder: string, record: HostRecord, lab: Surroundings): Host {
  const disk: Disk = diskOf(folder, record.lower);
  const link: Link = linkOf(lab.subnet, record.number);
  const machine: Machine = {
    id: `${lab.labId}-${record.name}`,
    hostname: record.name,
    root: disk.root,
    namespace: link.namespace,
    binds: record.binds,
    consoleLog: path.join(folder, "console.log"),
  };
  const furnished = path.join(folder, "furnished");

  async function ensureFurnished(): Promise<void> {
    if (existsSync(furnished)) return;
    await wipe(disk);
    await furnish(disk.root, record, await fs.readFile(`${lab.adminKeyFile}.pub`, "utf8"));
    await fs.writeFile(furnished, "");
  }

  function requireSupervisor(): number {
    const supervisor = supervisorOf(machine);
    if (supervisor === undefined) throw new Error(`Sandbox host ${record.name} is not running.`);
    return supervisor;
  }

  const host: Host = {
    name: record.name,
    base: record.base,
    login: record.login,
    address: link.address,
    adminKeyFile: lab.adminKeyFile,
    root: disk.root,
    consoleLog: machine.consoleLog,

    get hostKeys() {
      return readHostKeys(disk.upper);
    },
    get running() {
      return supervisorOf(machine) !== undefined;
    },
    target() {
      return {
        host: link.address,
        port: 22,
        user: record.login,
        hostKeys: readHostKeys(disk.upper),
        auth: lab.adminKeyFile,
      };
    },

    async run(script, { stdin = "", timeoutSeconds = 60 } = {}) {
      const leader = leaderOf(requireSupervisor());
      if (leader === undefined) throw new Error(`Sandbox host ${record.name} is only just starting.`);
      const argv = inside(leader, script, timeoutSeconds);
      const outcome = await attempt(argv, { stdin, timeoutSeconds: timeoutSeconds + 5 });
      if (outcome.code === 0) return outcome.stdout;
      const why =
        outcome.code === 124
          ? `no end after ${timeoutSeconds} s`
          : `exit code ${outcome.code ?? outcome.signal}`;
      throw new Error(`On ${record.name}: ${script}\n${why}\n${outcome.stderr || outcome.stdout}`.trimEnd());
    },

    async start() {
      await withLock(path.join(folder, "lock"), async () => {
        await withLock(lockFile(), () => ensureBridge(lab.subnet));
        await ensureLink(link);
        await setLink(link, "up");
        if (host.running) return;
        await end(machine, "power-cut"); // a host outlives a systemd-nspawn that was killed
        await ensureMounted(disk);
        await ensureFurnished();
        await launch(machine);
      });
      await waitUntilReady(machine, link.address);
    },

    async stop() {
      if (host.running) await host.thaw();
      await end(machine, "halt");
      await setLink(link, "down");
    },

    async kill() {
      await setLink(link, "down");
      await end(machine, "power-cut");
    },

    async freeze() {
      setFrozen(machine.id, true);
    },
    async thaw() {
      setFrozen(machine.id, false);
    },
    async unplug() {
      await setLink(link, "down");
    },
    async plug() {
      await setLink(link, "up");
    },

    async newHostKeys() {
      await makeHostKeys(disk.root, record.name);
      if (host.running) await host.run("systemctl restart ssh");
    },

    async reinstall() {
      await host.kill();
      await fs.rm(furnished, { force: true });
      await host.start();
    },

    async remove() {
      await end(machine, "power-cut");
      await removeLink(link);
      await unmount(disk);
      removeCgroup(machine.id);
      await fs.rm(folder, { recursive: true, force: true });
    },
  };
  return host;
}
