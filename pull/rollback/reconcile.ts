import type { ArchiveRecord, Archives } from "../ledger/archives.ts";
import type { Archive } from "../result.ts";
import { judge } from "../trust/judge.ts";

/** What the ledger must learn for it to say what is in the repository. */
export interface Reconciled {
  readonly back: readonly ArchiveRecord[];
  readonly leave: readonly (ArchiveRecord & { readonly why: "vanished" | "rolled-back" })[];
  readonly appeared: readonly Omit<ArchiveRecord, "seen" | "gone">[];
  /** Those that ought to be there and are not. */
  readonly missing: readonly ArchiveRecord[];
}

export function reconcile(facts: {
  readonly job: string;
  readonly known: readonly ArchiveRecord[];
  readonly listed: readonly Archive[];
  /** Ids of archives that ought to be there. */
  readonly expected: ReadonlySet<string>;
  /** Those that may have made archives that the ledger does not know. */
  readonly runs: readonly string[];
}): Reconciled {
  const { known, expected } = facts;
  const there = new Set(facts.listed.map(({ id }) => id));
  const appeared = judge({ ...facts, config: "same", removing: new Set(), segments: undefined }).appeared;
  return {
    back: known.filter(({ id, gone }) => gone && there.has(id)),
    leave: known
      .filter(({ id, gone }) => !gone && !there.has(id))
      .map((archive) => ({ ...archive, why: expected.has(archive.id) ? "vanished" : "rolled-back" })),
    appeared,
    missing: known.filter(({ id }) => expected.has(id) && !there.has(id)),
  };
}

/** Needs a transaction around it. */
export function recordArchives(
  ledger: Archives,
  repository: string,
  { back, leave, appeared }: Reconciled,
): void {
  for (const { id } of back) ledger.setGone(repository, id, undefined);
  for (const { id, why } of leave) ledger.setGone(repository, id, why);
  for (const archive of appeared) ledger.addArchive(repository, archive);
}
