import * as fs from "node:fs";
import { noJobs } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { fleet, jobNames } from "../../pull/status.ts";
import { homePaths } from "../../schema/paths.ts";
import { jobFileOf } from "../job.ts";

/** Which jobs a person asks for. */
export interface Selection {
  /** By name; none of them: all. */
  readonly names: readonly string[];
  /** Only those without a good backup that is young enough. */
  readonly stale: boolean;
}

/**
 * The jobs to run, each once.
 * @throws UserError for what is not a job's name, and when home has no job at all
 */
export function selectJobs({ names, stale }: Selection): readonly string[] {
  const all = names.length > 0 ? [...new Set(names)] : jobNames();
  if (all.length === 0) throw noJobs();
  for (const name of all) jobFileOf(name);
  return stale ? staleOnes(all) : all;
}

function staleOnes(names: readonly string[]): readonly string[] {
  const { stateDb } = homePaths();
  if (!fs.existsSync(stateDb)) return names;
  using ledger = openLedger(stateDb);
  // One whose file cannot be read is left in: its run says what is wrong.
  return fleet(names, ledger).flatMap((member) => {
    if (member.kind === "unreadable") return [member.name];
    const { job, stale, lastGood } = member.standing;
    return stale || !lastGood ? [job] : [];
  });
}
