import type { DatabaseSync } from "node:sqlite";

/** What home looks at by itself: borg's check of the repository, of its archives, of all data; and the proof that files come back. */
export const checkKinds = ["repository", "archives", "data", "proof"] as const;
export type CheckKind = (typeof checkKinds)[number];

export interface CheckRecord {
  readonly kind: CheckKind;
  /** Milliseconds since 1970, by home's clock. */
  readonly started: number;
  readonly finished: number;
  /** "ended": cancelled or killed, so that nothing is known. */
  readonly outcome: "good" | "failed" | "ended";
  readonly detail: CheckDetail;
}

export interface CheckDetail {
  /** What was found, a sentence. */
  readonly problem?: string;
  /** What there is to say of a good one, such as "20 files compared". */
  readonly summary?: string;
  /** A proof has found the file with the run's name: from then on each archive has one. */
  readonly canary?: boolean;
  /** Files that a proof found fault with: the next one takes them again, or it would be good by another sample. */
  readonly again?: readonly string[];
}

export interface Checks {
  /** Records the intent. One of this kind that is still open died: it becomes "ended". Needs the job's lock. */
  beginCheck(job: string, kind: CheckKind): number;
  endCheck(number: number, outcome: CheckRecord["outcome"], detail?: CheckDetail): void;
  /** The youngest that came to a verdict, good or failed. */
  lastCheck(job: string, kind: CheckKind): CheckRecord | undefined;
  /** The youngest first. */
  checks(job: string, limit: number): readonly CheckRecord[];
}

export function checksIn(database: DatabaseSync, now: () => number): Checks {
  const select = (where: string, ...values: (string | number)[]) =>
    database
      .prepare(`SELECT kind, started, finished, outcome, detail FROM checks WHERE job = ? AND ${where}`)
      .all(...values)
      .map((row) => {
        const { detail, ...rest } = row as unknown as Omit<CheckRecord, "detail"> & { detail: string };
        return { ...rest, detail: JSON.parse(detail) as CheckDetail };
      });
  return {
    beginCheck: (job, kind) => {
      database
        .prepare(
          "UPDATE checks SET outcome = 'ended', finished = ? WHERE job = ? AND kind = ? AND outcome IS NULL",
        )
        .run(now(), job, kind);
      const { lastInsertRowid } = database
        .prepare("INSERT INTO checks (job, kind, started) VALUES (?, ?, ?)")
        .run(job, kind, now());
      return Number(lastInsertRowid);
    },
    endCheck: (number, outcome, detail = {}) => {
      database
        .prepare(
          "UPDATE checks SET finished = ?, outcome = ?, detail = ? WHERE number = ? AND outcome IS NULL",
        )
        .run(now(), outcome, JSON.stringify(detail), number);
    },
    lastCheck: (job, kind) =>
      select("kind = ? AND outcome IN ('good', 'failed') ORDER BY number DESC LIMIT 1", job, kind)[0],
    checks: (job, limit) => select("outcome IS NOT NULL ORDER BY number DESC LIMIT ?", job, limit),
  };
}
