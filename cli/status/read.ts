import * as fs from "node:fs";
import { type Ledger, openLedger } from "../../pull/ledger.ts";
import { type FleetMember, fleet, jobNames, type NextRun, nextRuns } from "../../pull/status.ts";
import { homePaths } from "../../schema/paths.ts";
import { jobFileOf } from "../job.ts";

/** What there is to show: the jobs of home, and when their timers start them. */
export interface Status {
  readonly members: readonly FleetMember[];
  readonly next: ReadonlyMap<string, NextRun>;
  /** There are no records of home yet, or they are elsewhere: the file that is not there. */
  readonly missing?: string;
  readonly now: number;
}

/** @throws UserError for a name that is none, and when home's records cannot be read */
export async function readStatus(jobs: readonly string[]): Promise<Status> {
  for (const job of jobs) jobFileOf(job);
  const names = jobs.length > 0 ? [...new Set(jobs)] : jobNames();
  const { stateDb } = homePaths();
  using ledger = ledgerIfThere(stateDb);
  const now = Date.now();
  const members = fleet(names, ledger, now);
  const next = await nextRuns(members.flatMap((member) => (member.kind === "job" ? [member.job] : [])));
  return { members, next, ...(ledger ? {} : { missing: stateDb }), now };
}

/** Who only looks makes nothing. */
export const ledgerIfThere = (file: string): Ledger | undefined =>
  fs.existsSync(file) ? openLedger(file) : undefined;
