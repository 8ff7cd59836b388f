import type { DatabaseSync } from "node:sqlite";

/**
 * What home thinks of an archive when it is there.
 * good: of a run of ours, its session left everything before it alone, and borg's check of it found nothing amiss.
 * unconfirmed: of a run of ours, and not that; partial: a checkpoint of a run of ours; before-us: there before home kept records;
 * attended: a person made it, with borg; foreign: no run of ours made it.
 */
export type Trust = "good" | "unconfirmed" | "partial" | "before-us" | "attended" | "foreign";

/** Why it is no longer there. attended: a person removed it, with borg; vanished: nobody at home removed it. */
export type Gone = "vanished" | "pruned" | "rolled-back" | "attended";

export interface ArchiveRecord {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** As in the repository: for a foreign one, anything that a VPS may have put there. */
  readonly name: string;
  readonly run?: string;
  readonly trust: Trust;
  /** When a gate first saw it, milliseconds since 1970 by home's clock. */
  readonly seen: number;
  readonly gone?: { readonly why: Gone; readonly time: number };
}

export interface Archives {
  /** All that were ever seen in a repository, the oldest first. */
  archives(repository: string): readonly ArchiveRecord[];
  addArchive(repository: string, archive: Omit<ArchiveRecord, "seen" | "gone">): void;
  setTrust(repository: string, id: string, trust: Trust): void;
  /** undefined: it is there again. */
  setGone(repository: string, id: string, why: Gone | undefined): void;
}

export function archivesIn(database: DatabaseSync, now: () => number): Archives {
  return {
    archives: (repository) =>
      database
        .prepare("SELECT * FROM archives WHERE repository = ? ORDER BY seen, name")
        .all(repository)
        .map((row) => record(row as unknown as Row)),
    addArchive: (repository, { id, name, run, trust }) => {
      // Seen before, and back: after a rollback, or because whoever took it away has put it back.
      database
        .prepare(
          `INSERT INTO archives (repository, id, name, run, trust, seen) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (repository, id) DO UPDATE SET trust = excluded.trust, gone = NULL, gone_time = NULL`,
        )
        .run(repository, id, name, run ?? null, trust, now());
    },
    setTrust: (repository, id, trust) => {
      database
        .prepare("UPDATE archives SET trust = ? WHERE repository = ? AND id = ?")
        .run(trust, repository, id);
    },
    setGone: (repository, id, why) => {
      database
        .prepare("UPDATE archives SET gone = ?, gone_time = ? WHERE repository = ? AND id = ?")
        .run(why ?? null, why ? now() : null, repository, id);
    },
  };
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly run: string | null;
  readonly trust: Trust;
  readonly seen: number;
  readonly gone: Gone | null;
  readonly gone_time: number | null;
}

const record = ({ id, name, run, trust, seen, gone, gone_time: time }: Row): ArchiveRecord => ({
  id,
  name,
  ...(run === null ? {} : { run }),
  trust,
  seen,
  ...(gone === null || time === null ? {} : { gone: { why: gone, time } }),
});
