/** Home's own records, one SQLite file for all jobs: nothing that a VPS sends can change what is in it. ledger/ has one file a table. */
import * as fs from "node:fs";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../schema/errors.ts";
import { type Archives, archivesIn } from "./ledger/archives.ts";
import { type Breaches, breachesIn } from "./ledger/breaches.ts";
import { type Checks, checksIn } from "./ledger/checks.ts";
import { type Events, eventsIn } from "./ledger/events.ts";
import { type Marks, marksIn } from "./ledger/marks.ts";
import { migrate } from "./ledger/migrations.ts";
import { type Notices, noticesIn } from "./ledger/notices.ts";
import { type Operations, operationsIn } from "./ledger/operations.ts";
import { type Renames, renamesIn } from "./ledger/renames.ts";
import { type Runs, runsIn } from "./ledger/runs.ts";
import { transaction } from "./ledger/transaction.ts";

export type { ArchiveRecord, Gone, Trust } from "./ledger/archives.ts";
export type { Breach } from "./ledger/breaches.ts";
export { type CheckDetail, type CheckKind, type CheckRecord, checkKinds } from "./ledger/checks.ts";
export type { Event } from "./ledger/events.ts";
export type { Mark } from "./ledger/marks.ts";
export type { Operation, Plan } from "./ledger/operations.ts";
export type { Ending, RunRecord, ServedSession } from "./ledger/runs.ts";

export interface Ledger
  extends Runs,
    Archives,
    Marks,
    Breaches,
    Operations,
    Checks,
    Events,
    Notices,
    Renames,
    Disposable {
  /** Records all that the work records, or nothing of it. */
  atomically<T>(work: () => T): T;
}

/**
 * Opens `state.db`, making or migrating it. Writers wait for each other, readers for nobody.
 * @throws UserError when a newer borgpull wrote it, or when it cannot be read or written
 */
export function openLedger(file: string, now: () => number = Date.now): Ledger {
  return orUserError(file, () => {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(file, { timeout: 10_000 });
    try {
      // FULL: a recorded intent must survive a power cut that the archive survived.
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
      fs.chmodSync(file, 0o600);
      migrate(database, file);
    } catch (error) {
      database.close();
      throw error;
    }
    return named(file, {
      ...runsIn(database, now),
      ...archivesIn(database, now),
      ...marksIn(database, now),
      ...breachesIn(database, now),
      ...operationsIn(database, now),
      ...checksIn(database, now),
      ...eventsIn(database, now),
      ...noticesIn(database, now),
      ...renamesIn(database),
      atomically: (work) => transaction(database, work),
      [Symbol.dispose]: () => database.close(),
    });
  });
}

/** Every call with the same judgement of SQLite's errors. */
function named(file: string, ledger: Ledger): Ledger {
  const entries = Object.entries(ledger).map(([name, call]) => [
    name,
    (...values: unknown[]) => orUserError(file, () => (call as (...values: unknown[]) => unknown)(...values)),
  ]);
  return { ...(Object.fromEntries(entries) as Ledger), [Symbol.dispose]: ledger[Symbol.dispose] };
}

function orUserError<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const { errcode, code } = cause as { errcode?: number; code?: string };
    const problem = problems[(errcode ?? 0) & 0xff] ?? problems[code ?? ""];
    if (!problem) throw cause;
    throw new UserError(problem[0].replace("FILE", file), problem[1].replaceAll("FILE", file), { cause });
  }
}

const noRoom = [
  "There is no room left for FILE, home's own records.",
  "Make room on its disk, then run it again.",
] as const;
const failing = [
  "FILE, home's own records, cannot be read or written: its disk is full or fails.",
  "Make room on that disk, or see what ails it, then run it again.",
] as const;
const damaged = [
  "FILE, home's own records, is damaged.",
  "Begin anew: mv FILE FILE.damaged (and the files FILE-wal and FILE-shm with it). The archives that are there then count as from before, and no backup is lost. To a copy, the runs that it does not know are strangers.",
] as const;
const refused = [
  "FILE, home's own records, cannot be written.",
  "Run as the user who ran pulumi up, and check that its disk is writable.",
] as const;

/** By SQLite's primary result codes (sqlite.org/rescode.html) and by Node's codes of the file system. */
const problems: Readonly<Record<string | number, readonly [string, string]>> = {
  5: [
    "Another process holds FILE, home's own records, for long.",
    "Wait until it has ended; ps and fuser FILE show it.",
  ],
  8: refused,
  10: failing,
  11: damaged,
  13: noRoom,
  14: refused,
  26: damaged,
  ENOSPC: noRoom,
  EACCES: refused,
  EROFS: refused,
};
