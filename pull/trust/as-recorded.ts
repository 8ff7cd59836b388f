import * as fs from "node:fs";
import { repositoryId } from "../borg.ts";
import type { Ledger } from "../ledger.ts";

/**
 * Whether the repository is as the last gate saw it: nothing was committed since. The records then say which archives are in it; a
 * pull finds out about anything else. While home itself is at work they are behind, and that is no difference. Read without borg and
 * without a lock.
 */
export function asRecorded(
  ledger: Pick<Ledger, "runs" | "openOperations" | "mark">,
  job: string,
  repository: string,
): boolean {
  const id = repositoryId(repository);
  if (id === undefined) return false;
  const [run] = ledger.runs(job, 1);
  const own = ledger.openOperations(job).some(({ kind }) => ["prune", "compact", "attended"].includes(kind));
  return own || (run !== undefined && !run.outcome) || ledger.mark(id)?.segment === transactionOf(repository);
}

/** The number in the name of borg's index file is the last committed segment (borg internals, "Index, hints and integrity"). */
function transactionOf(repository: string): number {
  const names = fs.readdirSync(repository);
  return Math.max(-1, ...names.flatMap((name) => /^index\.(\d+)$/.exec(name)?.[1] ?? []).map(Number));
}
