import * as fs from "node:fs";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../schema/errors.ts";
import type { Archive, Failure, Figures, Outcome } from "./result.ts";

/** What home knows of one run. `outcome` is undefined while it is open: it runs now, or it died. */
export interface RunRecord {
  readonly run: string;
  readonly job: string;
  /** Milliseconds since 1970, by home's clock. */
  readonly started: number;
  readonly finished?: number;
  readonly outcome?: Outcome | "abandoned";
  readonly archive?: Archive;
  readonly figures?: Figures;
  readonly failure?: Failure;
  readonly warnings: readonly string[];
}

export interface Ending {
  readonly outcome: Outcome;
  readonly archive?: Archive;
  readonly figures?: Figures;
  readonly failure?: Failure;
  readonly warnings: readonly string[];
}

/** Home's own record of every run: nothing that a VPS sends can change what is in it. */
export interface Ledger extends Disposable {
  /** Records the intent, before anything is connected. Runs of the job that are still open died: they become "abandoned". Needs the job's lock. */
  begin(run: string, job: string): void;
  finish(run: string, ending: Ending): void;
  /** The youngest run whose archive was found in the repository: outcome good or warning. */
  lastGood(job: string): RunRecord | undefined;
  /** The youngest runs first. */
  runs(job: string, limit: number): readonly RunRecord[];
}

/** One step a version: never changed once released, only added to. `user_version` counts the steps that were taken. */
const migrations = [
  `CREATE TABLE runs (
     run TEXT PRIMARY KEY,
     job TEXT NOT NULL,
     started INTEGER NOT NULL,
     finished INTEGER,
     outcome TEXT CHECK (outcome IN ('good', 'warning', 'failed', 'abandoned')),
     archive_id TEXT,
     archive_name TEXT,
     figures TEXT,
     failure_kind TEXT,
     failure_problem TEXT,
     failure_remedy TEXT,
     warnings TEXT NOT NULL DEFAULT '[]',
     CHECK ((outcome IS NULL) = (finished IS NULL))
   ) STRICT;
   CREATE INDEX runs_of_job ON runs (job, started);`,
];

/**
 * Opens `state.db`, making or migrating it.
 * @throws UserError when a newer borgpull wrote it
 */
export function openLedger(file: string, now: () => number = Date.now): Ledger {
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
  return {
    begin: (run, job) =>
      transaction(database, () => {
        database
          .prepare("UPDATE runs SET outcome = 'abandoned', finished = ? WHERE job = ? AND outcome IS NULL")
          .run(now(), job);
        database.prepare("INSERT INTO runs (run, job, started) VALUES (?, ?, ?)").run(run, job, now());
      }),
    finish: (run, { outcome, archive, figures, failure, warnings }) => {
      const { changes } = database
        .prepare(
          `UPDATE runs SET outcome = ?, finished = ?, archive_id = ?, archive_name = ?, figures = ?,
             failure_kind = ?, failure_problem = ?, failure_remedy = ?, warnings = ? WHERE run = ? AND outcome IS NULL`,
        )
        .run(
          outcome,
          now(),
          archive?.id ?? null,
          archive?.name ?? null,
          figures ? JSON.stringify(figures) : null,
          failure?.kind ?? null,
          failure?.problem ?? null,
          failure?.remedy ?? null,
          JSON.stringify(warnings),
          run,
        );
      if (Number(changes) !== 1) throw new Error(`run ${run} is not open in the ledger`);
    },
    lastGood: (job) =>
      database
        .prepare(
          "SELECT * FROM runs WHERE job = ? AND outcome IN ('good', 'warning') ORDER BY started DESC LIMIT 1",
        )
        .all(job)
        .map((row) => record(row as unknown as Row))[0],
    runs: (job, limit) =>
      database
        .prepare("SELECT * FROM runs WHERE job = ? ORDER BY started DESC LIMIT ?")
        .all(job, limit)
        .map((row) => record(row as unknown as Row)),
    [Symbol.dispose]: () => database.close(),
  };
}

function migrate(database: DatabaseSync, file: string): void {
  transaction(database, () => {
    const { user_version: taken } = database.prepare("PRAGMA user_version").get() as { user_version: number };
    if (taken > migrations.length) {
      throw new UserError(`${file} was written by a newer borgpull.`, "Update borgpull on this machine.");
    }
    for (const step of migrations.slice(taken)) database.exec(step);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

function transaction(database: DatabaseSync, work: () => void): void {
  // IMMEDIATE: two processes that open a new database must not both migrate it.
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

interface Row {
  readonly run: string;
  readonly job: string;
  readonly started: number;
  readonly finished: number | null;
  readonly outcome: RunRecord["outcome"] | null;
  readonly archive_id: string | null;
  readonly archive_name: string | null;
  readonly figures: string | null;
  readonly failure_kind: Failure["kind"] | null;
  readonly failure_problem: string | null;
  readonly failure_remedy: string | null;
  readonly warnings: string;
}

function record(row: Row): RunRecord {
  return {
    run: row.run,
    job: row.job,
    started: row.started,
    ...(row.finished === null ? {} : { finished: row.finished }),
    ...(row.outcome ? { outcome: row.outcome } : {}),
    ...(row.archive_id && row.archive_name
      ? { archive: { id: row.archive_id, name: row.archive_name } }
      : {}),
    ...(row.figures ? { figures: JSON.parse(row.figures) as Figures } : {}),
    ...(row.failure_kind
      ? {
          failure: {
            kind: row.failure_kind,
            problem: row.failure_problem ?? "",
            remedy: row.failure_remedy ?? "",
          },
        }
      : {}),
    warnings: JSON.parse(row.warnings) as string[],
  };
}
