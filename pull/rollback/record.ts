import type { ArchiveRecord } from "../ledger.ts";
import { clean } from "../lines.ts";
import type { Archive } from "../result.ts";
import { readConfig } from "../trust/config-file.ts";
import type { Work } from "./look.ts";
import { tookSegments } from "./move-aside.ts";
import { type Reconciled, reconcile, recordArchives } from "./reconcile.ts";
import { archivesBySegment } from "./targets.ts";

/** A rollback as it is recorded before it is done. */
export interface Begun {
  readonly number: number;
  readonly segment: number;
  /** The folder for what is moved, below the repository. */
  readonly aside: string;
}

export interface Mended {
  readonly back: readonly ArchiveRecord[];
  readonly leave: readonly ArchiveRecord[];
  /** What was moved is in this folder. */
  readonly aside: string;
  /** Why the breaches stay open; undefined when they are resolved. */
  readonly problem?: string;
}

interface Seen {
  readonly aside: string;
  /** What borg's check has found, one sentence. */
  readonly amiss: string | undefined;
  /** undefined when it cannot be read: then it is taken for what it was in the state gone back to. */
  readonly listed: readonly Archive[] | undefined;
}

/** Records the end of a rollback, whole or not at all. */
export function recordRollback(
  { job: { job, repository }, ledger, id }: Work,
  { number, segment }: Begun,
  { aside, amiss, listed }: Seen,
): Mended {
  const breaches = ledger.openBreaches(job);
  const runs = [...new Set([...breaches.flatMap((breach) => breach.runs), ...ledger.ungated(job)])];
  const known = ledger.archives(id);
  const moved = tookSegments(aside);
  const then = moved
    ? archivesBySegment(known, ledger.marks(id), segment)
    : known.filter(({ gone }) => !gone);
  // What home itself removed may be back or not: the state gone back to may be from before or after it.
  const removed = (archive: ArchiveRecord) =>
    archive.gone?.why === "pruned" || archive.gone?.why === "attended";
  const expected = new Set(then.filter((archive) => !removed(archive)).map(({ id }) => id));
  const found = reconcile({ job, known, listed: listed ?? then, expected, runs });
  const problem = amiss ?? describeMissing(found);
  ledger.atomically(() => {
    recordArchives(ledger, id, found);
    // Where the log stays, what no gate has seen of it is for the next one.
    const seen = Math.min(segment, ledger.mark(id)?.segment ?? segment);
    ledger.setMark(id, { segment: seen, config: readConfig(repository).digest, why: "rollback" });
    ledger.setGated(ledger.ungated(job));
    if (problem === undefined) ledger.resolveBreaches(job, "rollback");
    const [oldest] = breaches;
    if (oldest && found.missing.length > 0 && !moved) {
      // Under a changed config no gate could see it. The log is to go back after all: the next rollback finds it named.
      const findings = found.missing.map(({ id, name }) => ({ kind: "archive-vanished", id, name }) as const);
      ledger.addBreach({ job, repository: id, after: oldest.after, upTo: segment, runs, findings });
    }
    ledger.note(job, "rollback", describe(segment, found, problem));
    ledger.endOperation(number, problem === undefined ? "done" : "failed");
    if (moved) ledger.beginOperation(job, { kind: "forget-cache", repository: id });
  });
  return { back: found.back, leave: found.leave, aside, ...(problem === undefined ? {} : { problem }) };
}

function describeMissing({ missing }: Reconciled): string | undefined {
  if (missing.length === 0) return undefined;
  const names = missing.slice(0, 5).map(({ name }) => clean(name, 60));
  return `${missing.length} archive(s) that ought to be there are not: ${names.join(", ")}${missing.length > 5 ? ", ..." : ""}.`;
}

const describe = (segment: number, { back, leave }: Reconciled, problem: string | undefined): string =>
  `back to segment ${segment}: ${back.length} archive(s) came back, ${leave.length} went${problem ? `. ${problem}` : ""}`;
