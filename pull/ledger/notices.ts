import type { DatabaseSync } from "node:sqlite";

/** What a channel was last told of a job, so that it is told once of each change. */
export interface Notices {
  noticed(job: string, channel: string): { readonly state: string; readonly time: number } | undefined;
  setNoticed(job: string, channel: string, state: string): void;
}

export function noticesIn(database: DatabaseSync, now: () => number): Notices {
  return {
    noticed: (job, channel) => {
      const row = database
        .prepare("SELECT state, time FROM notices WHERE job = ? AND channel = ?")
        .get(job, channel);
      return row && ({ ...row } as { state: string; time: number });
    },
    setNoticed: (job, channel, state) => {
      database
        .prepare("INSERT OR REPLACE INTO notices (job, channel, state, time) VALUES (?, ?, ?, ?)")
        .run(job, channel, state, now());
    },
  };
}
