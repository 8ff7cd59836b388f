/**
 * How a job stands, from home's records alone: no borg, no connection. `standing` decides over facts, and everything that shows,
 * tells or counts asks it. status/ has the facts, the decision, what the timer says, and all jobs of home.
 */
import type { JobFile } from "../schema/job-file.ts";
import type { Ledger } from "./ledger.ts";
import { recordsOf } from "./status/records.ts";
import { type Standing, standing } from "./status/standing.ts";

export { adviceForAll, allAdvice, type CommonAdvice, keyText, remedyOf } from "./status/advice.ts";
export { type FleetMember, fleet, jobNames } from "./status/fleet.ts";
export { checkNames } from "./status/judge.ts";
export { type NextRun, nextRuns } from "./status/next-run.ts";
export { prometheusText } from "./status/prometheus.ts";
export { type JobRecords, recordsOf, repositoryOf } from "./status/records.ts";
export { repositoryBytes } from "./status/size.ts";
export {
  type CheckStanding,
  type LastGoodBackup,
  type LastRun,
  type Standing,
  type State,
  standing,
  states,
} from "./status/standing.ts";

/** How a job stands now. @param now milliseconds since 1970, by home's clock */
export function standingOf(job: JobFile, ledger: Ledger, now: number = Date.now()): Standing {
  return standing(job, recordsOf(job, ledger, now), now);
}
