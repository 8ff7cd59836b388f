import type { DatabaseSync } from "node:sqlite";
import { transaction } from "./transaction.ts";

/** A job under another name: everything that home recorded of it is the new one's. */
export interface Renames {
  /** All rows or none. @returns whether there were any */
  renameJob(from: string, to: string): boolean;
}

const tables = ["runs", "breaches", "operations", "events", "checks", "notices"] as const;

export function renamesIn(database: DatabaseSync): Renames {
  return {
    renameJob: (from, to) =>
      transaction(database, () => {
        const changes = tables.map(
          (table) =>
            database.prepare(`UPDATE OR REPLACE ${table} SET job = ? WHERE job = ?`).run(to, from).changes,
        );
        return changes.some((count) => Number(count) > 0);
      }),
  };
}
