import type { DatabaseSync } from "node:sqlite";

/** What home itself does to a repository, recorded before it is done: a crash in its middle must not look like an attack. */
export type Plan =
  | { readonly kind: "prune"; readonly archives: readonly { readonly id: string; readonly name: string }[] }
  | { readonly kind: "compact" }
  /** Back to a segment; what lies later is moved into `aside`. */
  | { readonly kind: "rollback"; readonly segment: number; readonly aside: string }
  /** A person works on it with borg, at home or from the VPS: what changes meanwhile is that person's own. */
  | {
      readonly kind: "attended";
      readonly where: "home" | "vps";
      /** In two words, such as "borg delete". */
      readonly what: string;
      /** Its log may be written anew, so that no rollback goes back to before. */
      readonly rewritesLog: boolean;
    }
  /** Its key gets another passphrase. */
  | { readonly kind: "passphrase" }
  /** borg's cache on the VPS still knows what a rollback took back; open until it is removed there. */
  | { readonly kind: "forget-cache"; readonly repository: string }
  /** borg on the VPS still knows the repository by the job's old name; open until it is told. */
  | {
      readonly kind: "rename-cache";
      readonly repository: string;
      readonly from: string;
      readonly to: string;
    };

export type Operation = Plan & { readonly number: number; readonly started: number };

export interface Operations {
  /** Those that were begun and never ended, the oldest first. */
  openOperations(job: string): readonly Operation[];
  beginOperation(job: string, plan: Plan): number;
  endOperation(number: number, outcome: "done" | "failed"): void;
  /** When the last operation of this kind that was done ended, milliseconds since 1970: in the future, if the clock was set back since. */
  lastDone(job: string, kind: Plan["kind"]): number | undefined;
}

export function operationsIn(database: DatabaseSync, now: () => number): Operations {
  return {
    openOperations: (job) =>
      database
        .prepare(
          "SELECT number, plan, started FROM operations WHERE job = ? AND finished IS NULL ORDER BY number",
        )
        .all(job)
        .map((row) => {
          const { number, plan, started } = row as { number: number; plan: string; started: number };
          return { ...(JSON.parse(plan) as Plan), number, started };
        }),
    beginOperation: (job, plan) => {
      const { lastInsertRowid } = database
        .prepare("INSERT INTO operations (job, kind, plan, started) VALUES (?, ?, ?, ?)")
        .run(job, plan.kind, JSON.stringify(plan), now());
      return Number(lastInsertRowid);
    },
    endOperation: (number, outcome) => {
      database
        .prepare("UPDATE operations SET finished = ?, outcome = ? WHERE number = ? AND finished IS NULL")
        .run(now(), outcome, number);
    },
    lastDone: (job, kind) => {
      const row = database
        .prepare(
          "SELECT finished AS time FROM operations WHERE job = ? AND kind = ? AND outcome = 'done' ORDER BY number DESC LIMIT 1",
        )
        .get(job, kind) as { time: number } | undefined;
      return row?.time;
    },
  };
}
