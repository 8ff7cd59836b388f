/**
 * What the sandbox remembers, on disk, so that any later process can go on with it or clean up:
 *
 *     <state>/labs/<id>/lab.json  admin_key  admin_key.pub  hosts/<name>/{host.json,upper,work,root,console.log}
 *
 * Network interfaces belong to the whole machine, so the labs of all checkouts are kept in one place.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import * as z from "zod";
import type { Base } from "./recipe.ts";

export const stateRoot = () => process.env.BORGPULL_SANDBOX || "/var/lib/borgpull-sandbox";
export const cacheRoot = () => process.env.BORGPULL_SANDBOX_CACHE || "/var/cache/borgpull-sandbox";
export const labsFolder = () => path.join(stateRoot(), "labs");
export const lockFile = () => path.join(stateRoot(), "lock");

const name = z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, "1 to 20 of a-z, 0-9 and -, beginning with a letter");

export const labRecord = z.strictObject({
  version: z.literal(1),
  name,
  /** The checkout that it belongs to. */
  checkout: z.string(),
  /** Its subnet is 10.99.<subnet>.0/24. */
  subnet: z.int().min(1).max(254),
  /** The process that the lab ends with; null for one that stays until it is removed. */
  owner: z.strictObject({ pid: z.int(), startTicks: z.string() }).nullable(),
});
export type LabRecord = z.infer<typeof labRecord>;

export const hostRecord = z.strictObject({
  version: z.literal(1),
  name,
  /** Its address is 10.99.<subnet>.<number>. */
  number: z.int().min(1).max(253),
  base: z.custom<Base>((value) => typeof value === "string"),
  /** The base tree that it was booted from. */
  lower: z.string(),
  login: z.enum(["root", "admin"]),
  binds: z.array(z.strictObject({ from: z.string(), to: z.string(), readOnly: z.boolean() })),
});
export type HostRecord = z.infer<typeof hostRecord>;

const checkout = path.dirname(import.meta.dirname);

/** A lab's name is unique in its checkout, its id on the machine. */
export const labId = (labName: string, ofCheckout = checkout): string =>
  `${labName}-${createHash("sha256").update(ofCheckout).digest("hex").slice(0, 4)}`;

export const newLabName = (): string => `t${randomBytes(4).toString("hex")}`;

export function newLabRecord(labName: string, subnet: number, keep: boolean): LabRecord {
  const owner = keep ? null : { pid: process.pid, startTicks: startTicks(process.pid) ?? "" };
  return labRecord.parse({ version: 1, name: labName, checkout, subnet, owner });
}

/** Whether the process that the lab ends with has ended. */
export const abandoned = (lab: LabRecord): boolean =>
  lab.owner !== null && startTicks(lab.owner.pid) !== lab.owner.startTicks;

/** When a process began, in clock ticks since boot: with its id it names one process for good. */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]; // proc(5): field 22, counted from field 3
  } catch {
    return undefined;
  }
}

export async function readRecord<T>(schema: z.ZodType<T>, file: string): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await fs.readFile(file, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export async function writeRecord(file: string, record: LabRecord | HostRecord): Promise<void> {
  await fs.writeFile(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`);
  await fs.rename(`${file}.new`, file);
}

/** The names in a folder, none when there is no such folder. */
export async function entries(folder: string): Promise<string[]> {
  return fs.readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
}
