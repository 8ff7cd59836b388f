import type { Ledger } from "../ledger.ts";

const dayMilliseconds = 24 * 3600 * 1000;
/** More than what a job's channels say in a day. */
const looked = 100;

/**
 * Puts what failed on record, each sentence once a day: a watch tries every hour.
 * @returns the sentences
 */
export function noteFailures(
  job: string,
  ledger: Ledger | undefined,
  results: readonly (string | undefined)[],
): readonly string[] {
  const failed = results.filter((sentence) => sentence !== undefined);
  if (failed.length === 0 || !ledger) return failed;
  orElse(undefined, () => {
    const since = Date.now() - dayMilliseconds;
    const known = ledger
      .events(job, looked)
      .filter(({ kind, time }) => kind === "notice" && time > since)
      .map(({ text }) => text);
    for (const text of failed.filter((sentence) => !known.includes(sentence))) {
      ledger.note(job, "notice", text);
    }
  });
  return failed;
}

/** A full disk may be the very thing that is told: what is recorded of telling may fail. */
export function orElse<T>(fallback: T, work: () => T): T {
  try {
    return work();
  } catch {
    return fallback;
  }
}
