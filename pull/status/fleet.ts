import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { jobNamesIn, jobsFolder, readJobFile } from "../job.ts";
import type { Ledger } from "../ledger.ts";
import { recordsOf } from "./records.ts";
import { type Standing, standing } from "./standing.ts";

/** A job of home, or why nothing can be said of it. */
export type FleetMember =
  | { readonly kind: "job"; readonly job: JobFile; readonly standing: Standing }
  | {
      readonly kind: "unreadable";
      readonly name: string;
      readonly problem: string;
      readonly remedy: string;
      /** There when its file can be read: then it is home's records that cannot. */
      readonly job?: JobFile;
    };

/** The names of all jobs that have a job file at home, in order. */
export const jobNames = (): readonly string[] => jobNamesIn(jobsFolder());

/**
 * How jobs stand now. One that cannot be read hides no other.
 * @param ledger undefined: there is no state.db yet; an error: why it cannot be read
 */
export function fleet(
  names: readonly string[],
  ledger: Ledger | undefined | UserError,
  now: number = Date.now(),
): readonly FleetMember[] {
  return names.map((name) => {
    let job: JobFile | undefined;
    try {
      job = readJobFile(homePaths().jobFile(name));
      if (ledger instanceof UserError) throw ledger;
      return { kind: "job", job, standing: standing(job, recordsOf(job, ledger, now), now) };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const { problem, remedy } = error;
      return { kind: "unreadable", name, problem, remedy, ...(job ? { job } : {}) };
    }
  });
}
