import type { DatabaseSync } from "node:sqlite";
import type { Finding } from "../trust/finding.ts";

/** What a gate found that no run of ours does. Open until a person rolls back or accepts. */
export interface Breach {
  readonly number: number;
  readonly job: string;
  readonly repository: string;
  /** Milliseconds since 1970, by home's clock. */
  readonly found: number;
  /** It came to be in the segments (after, upTo]. */
  readonly after: number;
  readonly upTo: number;
  /** The runs that were served in that time. */
  readonly runs: readonly string[];
  readonly findings: readonly Finding[];
  readonly resolved?: { readonly time: number; readonly by: "rollback" | "accept" };
}

export interface Breaches {
  /** The oldest first. */
  openBreaches(job: string): readonly Breach[];
  breaches(job: string): readonly Breach[];
  addBreach(breach: Omit<Breach, "number" | "found" | "resolved">): void;
  resolveBreaches(job: string, by: "rollback" | "accept"): void;
  /** A repository that another job had, under its old name: what is open of it is this job's now. */
  adoptBreaches(job: string, repository: string): void;
}

export function breachesIn(database: DatabaseSync, now: () => number): Breaches {
  const select = (where: string, job: string) =>
    database
      .prepare(`SELECT * FROM breaches WHERE job = ? ${where} ORDER BY number`)
      .all(job)
      .map((row) => record(row as unknown as Row));
  return {
    openBreaches: (job) => select("AND resolved IS NULL", job),
    breaches: (job) => select("", job),
    addBreach: ({ job, repository, after, upTo, runs, findings }) => {
      database
        .prepare(
          "INSERT INTO breaches (job, repository, found, after, up_to, runs, findings) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .run(job, repository, now(), after, upTo, JSON.stringify(runs), JSON.stringify(findings));
    },
    adoptBreaches: (job, repository) => {
      const open = "repository = ? AND job <> ? AND resolved IS NULL";
      // Asked first: most gates write nothing here.
      if (!database.prepare(`SELECT 1 FROM breaches WHERE ${open}`).get(repository, job)) return;
      database.prepare(`UPDATE breaches SET job = ? WHERE ${open}`).run(job, repository, job);
    },
    resolveBreaches: (job, by) => {
      database
        .prepare("UPDATE breaches SET resolved = ?, resolution = ? WHERE job = ? AND resolved IS NULL")
        .run(now(), by, job);
    },
  };
}

interface Row {
  readonly number: number;
  readonly job: string;
  readonly repository: string;
  readonly found: number;
  readonly after: number;
  readonly up_to: number;
  readonly runs: string;
  readonly findings: string;
  readonly resolved: number | null;
  readonly resolution: "rollback" | "accept" | null;
}

const record = ({ up_to: upTo, runs, findings, resolved, resolution, ...row }: Row): Breach => ({
  ...row,
  upTo,
  runs: JSON.parse(runs) as string[],
  findings: JSON.parse(findings) as Finding[],
  ...(resolved === null || resolution === null ? {} : { resolved: { time: resolved, by: resolution } }),
});
