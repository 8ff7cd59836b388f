import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { readJobFile } from "../job.ts";
import type { Ledger } from "../ledger.ts";
import { recordsOf } from "./records.ts";
import { type Standing, standing } from "./standing.ts";

/** A job of home, or what its job file is instead. */
export type FleetMember =
  | { readonly kind: "job"; readonly job: JobFile; readonly standing: Standing }
  | { readonly kind: "unreadable"; readonly name: string; readonly problem: string; readonly remedy: string };

/** The names of all jobs that have a job file at home, in order. */
export function jobNames(): readonly string[] {
  const folder = path.dirname(homePaths().jobFile("x"));
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .flatMap((file) => /^([a-z0-9][a-z0-9-]{0,39})\.json$/.exec(file)?.[1] ?? [])
    .toSorted();
}

/**
 * How jobs stand now. One that cannot be read hides no other.
 * @param ledger undefined: there is no state.db yet
 */
export function fleet(
  names: readonly string[],
  ledger: Ledger | undefined,
  now: number = Date.now(),
): readonly FleetMember[] {
  return names.map((name) => {
    try {
      const job = readJobFile(homePaths().jobFile(name));
      return { kind: "job", job, standing: standing(job, recordsOf(job, ledger, now), now) };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { kind: "unreadable", name, problem: error.problem, remedy: error.remedy };
    }
  });
}
