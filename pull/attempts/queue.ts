/** How many runs of this home are under way at once: timers, `borgpull run`, CI and `pulumi up` together. */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout } from "node:timers/promises";
import { jobName } from "../../schema/names.ts";
import { holderOf, holdFile, holdNoted } from "../held-file.ts";

/** Runs at once where the job file does not say. */
export const defaultMaxParallel = 4;

/** Who waits looks this often: some system calls each time. */
const pollMilliseconds = 500;

export interface QueueOptions {
  /** `homePaths().slots` */
  readonly folder: string;
  readonly job: string;
  /** How many may be under way, this one among them. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
  /** Told the jobs that are under way, when it has to wait for one of them and whenever they change. */
  readonly onWait?: ((running: readonly string[]) => void) | undefined;
}

/**
 * Waits for a slot and takes it: one of the files 1 to `limit`, which the kernel holds for us. Whoever waits longer comes first, but a
 * job with a low limit holds up none that may take a slot above it.
 * @returns to be disposed of when the run is over; whoever dies lets go at once
 * @throws what `signal` was aborted with
 */
export async function takeSlot({ folder, job, limit, signal, onWait }: QueueOptions): Promise<Disposable> {
  using place = joinLine(path.join(folder, "waiting"), limit);
  let told: string | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const slot = tryTake(folder, place, limit, job);
    if (slot) return slot;
    const running = runningIn(folder, limit);
    if (running.join() !== told) onWait?.(running);
    told = running.join();
    await setTimeout(pollMilliseconds, undefined, { ...(signal ? { signal } : {}) });
  }
}

function tryTake(folder: string, place: Place, limit: number, job: string): Disposable | undefined {
  for (let number = place.reserved() + 1; number <= limit; number++) {
    const slot = holdNoted(slotFile(folder, number), { job });
    if (slot) return slot;
  }
  return undefined;
}

/** Asked when all of them are held, so that no note is of somebody who died. */
function runningIn(folder: string, limit: number): readonly string[] {
  const names = Array.from({ length: limit }, (_, index) => holderOf(slotFile(folder, index + 1))?.job);
  return names.filter((name) => jobName.safeParse(name).success) as string[];
}

const slotFile = (folder: string, number: number): string => path.join(folder, `${number}.db`);

/** A place in the line of those who wait for a slot. */
interface Place extends Disposable {
  /** Slots up to this number belong to somebody who waits longer; 0 when none does. */
  reserved(): number;
}

/** `<when>-<limit>-<random>.db`, so that names sort by age. */
const form = /^\d{20}-(\d+)-[0-9a-f]{12}\.db$/;

/**
 * Joins the line: a file that the kernel holds for us, so that the place of a process that died counts no longer.
 * @param folder of the line alone
 * @param limit the highest slot that may be taken
 */
function joinLine(folder: string, limit: number): Place {
  // The machine's uptime, which all its processes share and no change of the clock touches (CLOCK_MONOTONIC).
  const when = String(process.hrtime.bigint()).padStart(20, "0");
  const name = `${when}-${limit}-${crypto.randomBytes(6).toString("hex")}.db`;
  const file = path.join(folder, name);
  // Held before it can be seen: one that nobody holds is taken for that of a dead process.
  const held = holdFile(`${file}.new`);
  if (!held) throw new Error(`${file}.new is held by somebody else`);
  fs.renameSync(`${file}.new`, file);
  return {
    reserved: () => reserved(folder, name),
    [Symbol.dispose]: () => {
      fs.rmSync(file, { force: true });
      held[Symbol.dispose]();
    },
  };
}

/** The highest limit first, so that mostly one file is looked at. */
function reserved(folder: string, before: string): number {
  const older = fs
    .readdirSync(folder)
    .filter((name) => name < before && form.test(name))
    .map((name) => ({ file: path.join(folder, name), limit: Number(form.exec(name)?.[1]) }))
    .toSorted((one, other) => other.limit - one.limit);
  return older.find(({ file }) => isAlive(file))?.limit ?? 0;
}

function isAlive(file: string): boolean {
  using held = holdFile(file);
  if (held) fs.rmSync(file, { force: true });
  return held === undefined;
}
