import type { DatabaseSync } from "node:sqlite";

/** Something that a person may want to know of later. */
export interface Event {
  /** Milliseconds since 1970, by home's clock. */
  readonly time: number;
  readonly kind:
    | "breach"
    | "check"
    | "confirmed"
    | "prune"
    | "compact"
    | "rollback"
    | "accept"
    | "restore"
    | "attended"
    | "key-export"
    | "passphrase"
    | "renamed"
    | "notice"
    | "note";
  readonly text: string;
}

export interface Events {
  note(job: string, kind: Event["kind"], text: string): void;
  /** The youngest first. */
  events(job: string, limit: number): readonly Event[];
  /** The youngest of a kind. */
  lastEvent(job: string, kind: Event["kind"]): Event | undefined;
}

export function eventsIn(database: DatabaseSync, now: () => number): Events {
  return {
    note: (job, kind, text) => {
      database
        .prepare("INSERT INTO events (job, time, kind, text) VALUES (?, ?, ?, ?)")
        .run(job, now(), kind, text);
    },
    lastEvent: (job, kind) => {
      const row = database
        .prepare(
          "SELECT time, kind, text FROM events WHERE job = ? AND kind = ? ORDER BY number DESC LIMIT 1",
        )
        .get(job, kind);
      return row && ({ ...row } as unknown as Event);
    },
    events: (job, limit) =>
      database
        .prepare("SELECT time, kind, text FROM events WHERE job = ? ORDER BY number DESC LIMIT ?")
        .all(job, limit)
        .map((row) => ({ ...row }) as unknown as Event),
  };
}
