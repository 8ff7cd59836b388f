/**
 * Throwaway VPSes for the demo, the tests and the benches: real Debian, booted, in a network of their own.
 *
 *     await using lab = await openLab();
 *     const web1 = await lab.boot({ name: "web1", base: "debian12", login: "root" });
 */
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";
import { ensureBase } from "./base.ts";
import { command } from "./command.ts";
import { type Host, hostHandle } from "./host.ts";
import { withLock } from "./lock.ts";
import { ensureBridge, freeSubnet, gatewayAddress, removeBridge } from "./network.ts";
import type { Base } from "./recipe.ts";
import { requireRoot } from "./root.ts";
import {
  abandoned,
  entries,
  type HostRecord,
  hostRecord,
  type LabRecord,
  labId,
  labRecord,
  labsFolder,
  lockFile,
  newLabName,
  newLabRecord,
  readRecord,
  stateRoot,
  writeRecord,
} from "./state.ts";

export type { Host } from "./host.ts";
export type { Base } from "./recipe.ts";

export interface LabOptions {
  /** Unique in this checkout. @default one that nobody has */
  readonly name?: string;
  /** It stays when it is disposed of and when this process ends, until `remove`; opened again, it has its hosts still. @default false */
  readonly keep?: boolean;
  /** Told what takes longer than a moment. */
  readonly say?: (line: string) => void;
}

export interface HostSpec {
  readonly name: string;
  readonly base: Base;
  /** "root": root logs in by key. "admin": root may not, admin has `sudo -n`. */
  readonly login: "root" | "admin";
  /** Folders of this machine to show inside. */
  readonly binds?: readonly { readonly from: string; readonly to: string; readonly readOnly?: boolean }[];
}

export interface Lab extends AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  /** This machine's address in the lab's network. */
  readonly address: string;
  /** The private key that every host of the lab lets in. */
  readonly adminKeyFile: string;
  /** The host of that name, made if it is missing, started if it is down. */
  boot(spec: HostSpec): Promise<Host>;
  hosts(): Promise<Host[]>;
  /** Ends the hosts and removes everything. */
  remove(): Promise<void>;
}

/** Opens a lab, and before that removes the remains of every lab whose process has ended. Needs root. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  requireRoot();
  const name = options.name ?? newLabName();
  const id = labId(name);
  await fs.mkdir(labsFolder(), { recursive: true, mode: 0o700 });
  const record = await withLock(lockFile(), async () => {
    await removeAbandoned();
    const existing = await readRecord(labRecord, path.join(labsFolder(), id, "lab.json"));
    if (existing?.owner) {
      throw new UserError(
        `The lab ${name} is in use by process ${existing.owner.pid}.`,
        "Wait until that process has ended, or give this lab another name.",
      );
    }
    return existing ?? (await createLab(name, options.keep ?? false));
  });
  return labHandle(record, options.say);
}

/** The labs that are there, of any checkout, to look at and to remove; all but the kept ones are in use. */
export async function findLabs(): Promise<{ readonly record: LabRecord; readonly lab: Lab }[]> {
  const records = (await entries(labsFolder())).map((id) =>
    readRecord(labRecord, path.join(labsFolder(), id, "lab.json")),
  );
  return (await Promise.all(records))
    .filter((record) => record !== undefined)
    .map((record) => ({ record, lab: labHandle(record) }));
}

/** A lab of this checkout that is there. */
export async function findLab(name: string): Promise<Lab | undefined> {
  requireRoot();
  const record = await readRecord(labRecord, path.join(labsFolder(), labId(name), "lab.json"));
  return record && labHandle(record);
}

function labHandle(record: LabRecord, say?: (line: string) => void): Lab {
  const folder = labFolder(record);
  const adminKeyFile = path.join(folder, "admin_key");
  const handle = (host: HostRecord) => hostOf(record, host);

  const lab: Lab = {
    name: record.name,
    folder,
    address: gatewayAddress(record.subnet),
    adminKeyFile,
    async boot(spec) {
      const lower = await ensureBase(spec.base, say);
      const host = handle(await withLock(lockFile(), () => ensureHostRecord(folder, spec, lower)));
      await host.start();
      return host;
    },
    async hosts() {
      return (await hostRecords(folder)).map(handle);
    },
    remove: () => withLock(lockFile(), () => removeFolder(record)),
    async [Symbol.asyncDispose]() {
      if (record.owner) await lab.remove();
    },
  };
  return lab;
}

const labFolder = (record: Pick<LabRecord, "name" | "checkout">) =>
  path.join(labsFolder(), labId(record.name, record.checkout));
const hostFolder = (folder: string, name: string) => path.join(folder, "hosts", name);

function hostOf(lab: LabRecord, host: HostRecord): Host {
  const folder = labFolder(lab);
  const surroundings = {
    labId: path.basename(folder),
    subnet: lab.subnet,
    adminKeyFile: path.join(folder, "admin_key"),
  };
  return hostHandle(hostFolder(folder, host.name), host, surroundings);
}

async function hostRecords(folder: string): Promise<HostRecord[]> {
  const names = await entries(path.join(folder, "hosts"));
  const read = names.map((name) => readRecord(hostRecord, path.join(hostFolder(folder, name), "host.json")));
  return (await Promise.all(read)).filter((record) => record !== undefined);
}

// What follows runs under the lock.

async function createLab(name: string, keep: boolean): Promise<LabRecord> {
  const taken = await Promise.all(
    (await entries(labsFolder())).map((id) => readRecord(labRecord, path.join(labsFolder(), id, "lab.json"))),
  );
  const subnet = await freeSubnet(new Set(taken.map((lab) => lab?.subnet ?? 0)));
  const record = newLabRecord(name, subnet, keep);
  const folder = labFolder(record);
  const unfinished = path.join(stateRoot(), "unfinished");
  await fs.rm(unfinished, { recursive: true, force: true });
  await fs.mkdir(unfinished, { mode: 0o700 });
  const key = path.join(unfinished, "admin_key");
  await command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", `admin of ${name}`, "-f", key]);
  await writeRecord(path.join(unfinished, "lab.json"), record);
  await fs.rm(folder, { recursive: true, force: true }); // what a removal that was killed at its very end left
  await fs.rename(unfinished, folder);
  await ensureBridge(subnet);
  return record;
}

/** The record is there before anything of the host is: what a crash leaves is found by it. */
async function ensureHostRecord(folder: string, spec: HostSpec, lower: string): Promise<HostRecord> {
  const existing = await hostRecords(folder);
  const same = existing.find((record) => record.name === spec.name);
  if (same?.base === spec.base && same.login === spec.login) return same;
  if (same) {
    throw new UserError(
      `${spec.name} is there already, as ${same.base} with login ${same.login}.`,
      `Remove it first: npm run sandbox -- down ${spec.name}`,
    );
  }
  const used = new Set(existing.map((record) => record.number));
  let number = 1;
  while (used.has(number)) number++;
  const binds = (spec.binds ?? []).map(({ from, to, readOnly = false }) => ({ from, to, readOnly }));
  const { name, base, login } = spec;
  const record = hostRecord.parse({ version: 1, name, number, base, lower, login, binds });
  await fs.mkdir(hostFolder(folder, name), { recursive: true, mode: 0o700 });
  await writeRecord(path.join(hostFolder(folder, name), "host.json"), record);
  return record;
}

async function removeAbandoned(): Promise<void> {
  for (const { record } of await findLabs()) {
    if (abandoned(record)) await removeFolder(record);
  }
}

async function removeFolder(lab: LabRecord): Promise<void> {
  const folder = labFolder(lab);
  await Promise.all((await hostRecords(folder)).map((host) => hostOf(lab, host).remove()));
  await removeBridge(lab.subnet);
  await fs.rm(folder, { recursive: true, force: true });
}
