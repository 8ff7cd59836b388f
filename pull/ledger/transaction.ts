import type { DatabaseSync } from "node:sqlite";

/** Does all of the work, or none of it. One within another is part of the outer one. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  if (database.isTransaction) return work();
  // IMMEDIATE: two processes that open a new database must not both migrate it.
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK"); // a full disk has ended it already
    throw error;
  }
}
