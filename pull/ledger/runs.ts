import type { DatabaseSync } from "node:sqlite";
import type { Archive, Failure, Figures, Outcome } from "../result.ts";
import { transaction } from "./transaction.ts";

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
  /** Names of the dumps that are not whole in the archive; left out when all are. */
  readonly failedDumps?: readonly string[];
  /** How large the repository was once the run was over, without what a rollback moved aside. */
  readonly repositoryBytes?: number;
}

export interface Ending {
  readonly outcome: Outcome;
  readonly archive?: Archive;
  readonly figures?: Figures;
  readonly failure?: Failure;
  readonly warnings: readonly string[];
  readonly failedDumps?: readonly string[];
}

/** What a served session showed besides what is in the repository now: known to home alone, and only then. */
export interface ServedSession {
  /** The id that the VPS reported for its archive. */
  readonly reportedId?: string | undefined;
  readonly forbidden?: { readonly method: string; readonly reason: string } | undefined;
  /** Objects that it sent and that were there already, under ids that an earlier session may have given to something else. */
  readonly ignoredPuts?: number | undefined;
}

export interface Runs {
  /** Records the intent, before anything is connected. Runs of the job that are still open died: they become "abandoned". Needs the job's lock. */
  begin(run: string, job: string): void;
  finish(run: string, ending: Ending): void;
  /** What home had to say of a run after its end: a good one becomes one with warnings. */
  addWarnings(run: string, warnings: readonly string[]): void;
  /**
   * The youngest run with a good archive that is still there.
   * @param repository its id: only of that one
   * @param upTo milliseconds since 1970: of the runs that began no later
   */
  lastGood(job: string, repository?: string, upTo?: number): RunRecord | undefined;
  run(run: string): RunRecord | undefined;
  setRepositoryBytes(run: string, bytes: number): void;
  /** How large the repository was after the runs that began since then, the youngest first. */
  sizes(
    job: string,
    since: number,
  ): readonly { readonly started: number; readonly repositoryBytes: number }[];
  /** When the first run that is on record began. */
  firstStarted(job: string): number | undefined;
  /** The youngest runs first. @param upTo milliseconds since 1970: those that began no later */
  runs(job: string, limit: number, upTo?: number): readonly RunRecord[];
  /** Records what a session showed, once it is over. */
  serve(run: string, session: ServedSession): void;
  session(run: string): ServedSession;
  /** Runs of which no gate has seen what they left in the repository, the oldest first. */
  ungated(job: string): readonly string[];
  setGated(runs: readonly string[]): void;
}

export function runsIn(database: DatabaseSync, now: () => number): Runs {
  const select = (where: string, ...values: (string | number)[]) =>
    database
      .prepare(`SELECT * FROM runs WHERE ${where}`)
      .all(...values)
      .map((row) => record(row as unknown as Row));
  return {
    begin: (run, job) =>
      transaction(database, () => {
        database
          .prepare("UPDATE runs SET outcome = 'abandoned', finished = ? WHERE job = ? AND outcome IS NULL")
          .run(now(), job);
        database.prepare("INSERT INTO runs (run, job, started) VALUES (?, ?, ?)").run(run, job, now());
      }),
    finish: (run, { outcome, archive, figures, failure, warnings, failedDumps = [] }) => {
      const { changes } = database
        .prepare(
          `UPDATE runs SET outcome = ?, finished = ?, archive_id = ?, archive_name = ?, figures = ?,
             failure_kind = ?, failure_problem = ?, failure_remedy = ?, warnings = ?, failed_dumps = ?
             WHERE run = ? AND outcome IS NULL`,
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
          JSON.stringify(failedDumps),
          run,
        );
      if (Number(changes) !== 1) throw new Error(`run ${run} is not open in the ledger`);
    },
    addWarnings: (run, warnings) => {
      const known = select("run = ? AND outcome IS NOT NULL", run)[0]?.warnings ?? [];
      database
        .prepare(
          `UPDATE runs SET warnings = ?, outcome = CASE outcome WHEN 'good' THEN 'warning' ELSE outcome END
             WHERE run = ? AND outcome IS NOT NULL`,
        )
        .run(JSON.stringify([...known, ...warnings]), run);
    },
    lastGood: (job, repository, upTo = Number.MAX_SAFE_INTEGER) => {
      const found = database
        .prepare(
          `SELECT runs.*, archives.id AS found_id, archives.name AS found_name FROM runs
             JOIN archives ON archives.run = runs.run
             WHERE runs.job = ? AND archives.trust = 'good' AND archives.gone IS NULL AND runs.finished IS NOT NULL
             AND runs.started <= ?
             ${repository === undefined ? "" : "AND archives.repository = ?"}
             ORDER BY runs.started DESC LIMIT 1`,
        )
        .get(job, upTo, ...(repository === undefined ? [] : [repository])) as unknown as
        | (Row & { found_id: string; found_name: string })
        | undefined;
      return found && { ...record(found), archive: { id: found.found_id, name: found.found_name } };
    },
    run: (run) => select("run = ?", run)[0],
    setRepositoryBytes: (run, bytes) => {
      database.prepare("UPDATE runs SET repository_bytes = ? WHERE run = ?").run(bytes, run);
    },
    serve: (run, session) => {
      database.prepare("UPDATE runs SET session = ? WHERE run = ?").run(JSON.stringify(session), run);
    },
    session: (run) => {
      const row = database.prepare("SELECT session FROM runs WHERE run = ?").get(run) as
        | { session: string }
        | undefined;
      return JSON.parse(row?.session ?? "{}") as ServedSession;
    },
    sizes: (job, since) =>
      database
        .prepare(
          `SELECT started, repository_bytes AS repositoryBytes FROM runs
             WHERE job = ? AND started >= ? AND repository_bytes IS NOT NULL ORDER BY started DESC`,
        )
        .all(job, since)
        .map((row) => ({ ...row }) as { started: number; repositoryBytes: number }),
    firstStarted: (job) => {
      const row = database.prepare("SELECT min(started) AS started FROM runs WHERE job = ?").get(job);
      return (row as { started: number | null }).started ?? undefined;
    },
    runs: (job, limit, upTo = Number.MAX_SAFE_INTEGER) =>
      select("job = ? AND started <= ? ORDER BY started DESC LIMIT ?", job, upTo, limit),
    ungated: (job) => select("job = ? AND gated = 0 ORDER BY started", job).map(({ run }) => run),
    setGated: (runs) => {
      const set = database.prepare("UPDATE runs SET gated = 1 WHERE run = ?");
      for (const run of runs) set.run(run);
    },
  };
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
  readonly repository_bytes: number | null;
  readonly failed_dumps: string;
}

function record(row: Row): RunRecord {
  const failedDumps = JSON.parse(row.failed_dumps) as string[];
  const { archive_id: id, archive_name: name, failure_kind: kind } = row;
  return {
    run: row.run,
    job: row.job,
    started: row.started,
    ...(row.finished === null ? {} : { finished: row.finished }),
    ...(row.outcome ? { outcome: row.outcome } : {}),
    ...(id && name ? { archive: { id, name } } : {}),
    ...(row.figures ? { figures: JSON.parse(row.figures) as Figures } : {}),
    ...(kind
      ? { failure: { kind, problem: row.failure_problem ?? "", remedy: row.failure_remedy ?? "" } }
      : {}),
    warnings: JSON.parse(row.warnings) as string[],
    ...(failedDumps.length > 0 ? { failedDumps } : {}),
    ...(row.repository_bytes === null ? {} : { repositoryBytes: row.repository_bytes }),
  };
}
