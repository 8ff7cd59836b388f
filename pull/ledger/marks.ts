import type { DatabaseSync } from "node:sqlite";

/** How far a gate has looked at a repository: what came later is yet to be judged. */
export interface Mark {
  /** The last committed segment then; -1 for none. A rollback goes back to one of these. */
  readonly segment: number;
  /** sha256 of the repository's config, key included, hexadecimal. */
  readonly config: string;
  /** How many objects borg's index had; undefined where that was not looked at. */
  readonly objects?: number;
  /** What had ended then. */
  readonly why: "begin" | "run" | "prune" | "compact" | "rollback" | "accept" | "attended" | "passphrase";
  readonly run?: string;
  /** Milliseconds since 1970, by home's clock. */
  readonly time: number;
}

export interface Marks {
  /** The youngest mark of a repository. */
  mark(repository: string): Mark | undefined;
  /** All of them, the oldest first. */
  marks(repository: string): readonly Mark[];
  setMark(repository: string, mark: Omit<Mark, "time">): void;
}

export function marksIn(database: DatabaseSync, now: () => number): Marks {
  const marks = (repository: string, order: string) =>
    database
      .prepare(`SELECT * FROM marks WHERE repository = ? ORDER BY number ${order}`)
      .all(repository)
      .map((row) => {
        const { segment, config, objects, why, run, time } = row as unknown as Row;
        return {
          segment,
          config,
          why,
          time,
          ...(objects === null ? {} : { objects }),
          ...(run === null ? {} : { run }),
        };
      });
  return {
    mark: (repository) => marks(repository, "DESC LIMIT 1")[0],
    marks: (repository) => marks(repository, "ASC"),
    setMark: (repository, { segment, config, objects, why, run }) => {
      database
        .prepare(
          "INSERT INTO marks (repository, segment, config, objects, why, run, time) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .run(repository, segment, config, objects ?? null, why, run ?? null, now());
    },
  };
}

type Row = Pick<Mark, "segment" | "config" | "why" | "time"> & {
  readonly objects: number | null;
  readonly run: string | null;
};
