import type { Ledger } from "../pull/ledger.ts";
import { clean } from "../pull/lines.ts";
import { type Candidate, distrust } from "../pull/restore/choose.ts";
import { localTime } from "../pull/time.ts";
import { UserError } from "../schema/errors.ts";

/** Such as "web1-20261122t031500z-9f3c1a07be42 of 2026-11-22 03:15 (good)". */
export function describeArchive({ name, started, trust, failedDumps }: Candidate): string {
  const time = started === undefined ? "" : ` of ${localTime(started)}`;
  return `${clean(name, 100)}${time} (${trust.replace("-", " ")}${withoutDumps(failedDumps)})`;
}

/** Such as ", without the dump(s) shop", "" where all are there. */
export const withoutDumps = (failed: readonly string[] | undefined): string =>
  failed ? `, without the dump(s) ${clean(failed.join(", "), 200)}` : "";

/** @throws UserError for an archive that is not to be relied on, unless it is asked for as it is: then it is said */
export function requireTrust(archive: Candidate, untrusted: boolean, say: (text: string) => void): void {
  const why = distrust(archive);
  if (why === undefined) return;
  if (!untrusted) throw new UserError(why, "If you want it all the same, give --untrusted.");
  say(why);
}

/** Good archives are good also while something waits for a person's decision; that person is told. */
export function warnOfBreach(job: string, ledger: Ledger, say: (text: string) => void): void {
  if (ledger.openBreaches(job).length === 0) return;
  say(`${job}: something was found in this repository that waits for your decision: borgpull list ${job}`);
}
