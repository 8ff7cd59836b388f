import type { DatabaseSync } from "node:sqlite";
import { UserError } from "../../schema/errors.ts";
import { transaction } from "./transaction.ts";

/** One step a version: never changed once released, only added to. `user_version` counts the steps that were taken. */
const steps = [
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

  // Runs anew, for the outcome 'tampered' and for \`gated\`; SQLite changes no CHECK in place. Runs of before count as looked at.
  `CREATE TABLE runs_2 (
     run TEXT PRIMARY KEY,
     job TEXT NOT NULL,
     started INTEGER NOT NULL,
     finished INTEGER,
     outcome TEXT CHECK (outcome IN ('good', 'warning', 'failed', 'tampered', 'abandoned')),
     archive_id TEXT,
     archive_name TEXT,
     figures TEXT,
     failure_kind TEXT,
     failure_problem TEXT,
     failure_remedy TEXT,
     warnings TEXT NOT NULL DEFAULT '[]',
     gated INTEGER NOT NULL DEFAULT 0,
     session TEXT NOT NULL DEFAULT '{}',
     CHECK ((outcome IS NULL) = (finished IS NULL))
   ) STRICT;
   INSERT INTO runs_2 SELECT *, outcome IS NOT NULL, '{}' FROM runs;
   DROP TABLE runs;
   ALTER TABLE runs_2 RENAME TO runs;
   CREATE INDEX runs_of_job ON runs (job, started);

   CREATE TABLE marks (
     number INTEGER PRIMARY KEY,
     repository TEXT NOT NULL,
     segment INTEGER NOT NULL,
     config TEXT NOT NULL,
     objects INTEGER,
     why TEXT NOT NULL,
     run TEXT,
     time INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX marks_of_repository ON marks (repository, number);

   CREATE TABLE archives (
     repository TEXT NOT NULL,
     id TEXT NOT NULL,
     name TEXT NOT NULL,
     run TEXT,
     trust TEXT NOT NULL,
     seen INTEGER NOT NULL,
     gone TEXT,
     gone_time INTEGER,
     PRIMARY KEY (repository, id),
     CHECK ((gone IS NULL) = (gone_time IS NULL))
   ) STRICT;

   CREATE TABLE breaches (
     number INTEGER PRIMARY KEY,
     job TEXT NOT NULL,
     repository TEXT NOT NULL,
     found INTEGER NOT NULL,
     after INTEGER NOT NULL,
     up_to INTEGER NOT NULL,
     runs TEXT NOT NULL,
     findings TEXT NOT NULL,
     resolved INTEGER,
     resolution TEXT,
     CHECK ((resolved IS NULL) = (resolution IS NULL))
   ) STRICT;
   CREATE INDEX breaches_of_job ON breaches (job, resolved);

   CREATE TABLE operations (
     number INTEGER PRIMARY KEY,
     job TEXT NOT NULL,
     kind TEXT NOT NULL,
     plan TEXT NOT NULL,
     started INTEGER NOT NULL,
     finished INTEGER,
     outcome TEXT,
     CHECK ((finished IS NULL) = (outcome IS NULL))
   ) STRICT;
   CREATE INDEX operations_of_job ON operations (job, finished);

   CREATE TABLE events (
     number INTEGER PRIMARY KEY,
     job TEXT NOT NULL,
     time INTEGER NOT NULL,
     kind TEXT NOT NULL,
     text TEXT NOT NULL
   ) STRICT;
   CREATE INDEX events_of_job ON events (job, number);`,

  `ALTER TABLE runs ADD COLUMN repository_bytes INTEGER;
   ALTER TABLE runs ADD COLUMN attended INTEGER NOT NULL DEFAULT 0;

   CREATE TABLE checks (
     number INTEGER PRIMARY KEY,
     job TEXT NOT NULL,
     kind TEXT NOT NULL,
     started INTEGER NOT NULL,
     finished INTEGER,
     outcome TEXT CHECK (outcome IN ('good', 'failed', 'ended')),
     detail TEXT NOT NULL DEFAULT '{}',
     CHECK ((finished IS NULL) = (outcome IS NULL))
   ) STRICT;
   CREATE INDEX checks_of_job ON checks (job, kind, number);

   CREATE TABLE notices (
     job TEXT NOT NULL,
     channel TEXT NOT NULL,
     state TEXT NOT NULL,
     time INTEGER NOT NULL,
     PRIMARY KEY (job, channel)
   ) STRICT;`,

  "ALTER TABLE runs ADD COLUMN failed_dumps TEXT NOT NULL DEFAULT '[]';",
];

/** Brings the tables up to this version. @throws UserError when a newer borgpull wrote them */
export function migrate(database: DatabaseSync, file: string): void {
  const taken = () =>
    (database.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
  // Asked without a lock first: whoever only reads waits for nobody.
  if (taken() === steps.length) return;
  transaction(database, () => {
    if (taken() > steps.length) {
      throw new UserError(`${file} was written by a newer borgpull.`, "Update borgpull on this machine.");
    }
    for (const step of steps.slice(taken())) database.exec(step);
    database.exec(`PRAGMA user_version = ${steps.length}`);
  });
}
