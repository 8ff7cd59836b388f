import type { DatabaseSync } from "node:sqlite";

/** Something that a person may want to know of later. */
export interface Event {
  /** Milliseconds since 1970, by home's clock. */
  readonly time: number;
  readonly kind:
    | "breach"
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
}

export function eventsIn(database: DatabaseSync, now: () => number): Events {
  return {
    note: (job, kind, text) => {
      database
        .prepare("INSERT INTO events (job, time, kind, text) VALUES (?, ?, ?, ?)")
        .run(job, now(), kind, text);
    },
    events: (job, limit) =>
      database
        .prepare("SELECT time, kind, text FROM events WHERE job = ? ORDER BY number DESC LIMIT ?")
        .all(job, limit)
        .map((row) => ({ ...row }) as unknown as Event),
  };
}
