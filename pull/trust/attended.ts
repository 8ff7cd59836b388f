/** What a gate makes of a person's own session with borg. */
import type { JobFile } from "../../schema/job-file.ts";
import { checkArchive } from "../borg.ts";
import type { ArchiveRecord, Trust } from "../ledger.ts";
import type { Archive } from "../result.ts";
import type { SegmentAudit } from "../segments.ts";
import type { Judgement } from "./judge.ts";

/** Such as "borg delete: 2 archive(s) removed". */
export function describeAttended(
  what: string,
  { appeared, gone }: Pick<Judgement, "appeared" | "gone">,
): string {
  const made = appeared.filter(({ run }) => run === undefined).length;
  const removed = gone.length;
  const parts = [
    ...(made > 0 ? [`${made} archive(s) made`] : []),
    ...(removed > 0 ? [`${removed} archive(s) removed`] : []),
  ];
  return `${what}: ${parts.join(", ") || "no archive came or went"}`;
}

/**
 * The log of a session on a VPS without the deletions of what only removed archives used. That is so when every archive that stays and ought
 * to be whole is so by borg's check; else what is gone counts as deleted by somebody who ought not to.
 */
export async function withoutOwnDeletions(
  changes: SegmentAudit | undefined,
  facts: {
    readonly job: JobFile;
    readonly known: readonly ArchiveRecord[];
    readonly listed: readonly Archive[] | { readonly unreadable: string } | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<SegmentAudit | undefined> {
  const { job, known, listed, signal } = facts;
  if (!changes || changes.deleted === 0 || !Array.isArray(listed)) return changes;
  const there = new Set((listed as readonly Archive[]).map(({ id }) => id));
  const { repository, passphraseFile, limits } = job;
  const access = { repository, passphraseFile, lockWaitSeconds: limits.lockWaitSeconds };
  for (const { id, name, trust } of known) {
    if (!whole.includes(trust) || !there.has(id)) continue;
    if (await checkArchive({ ...access, archive: name, ...(signal ? { signal } : {}) })) return changes;
  }
  const examples = changes.examples.filter(({ change }) => change !== "deleted");
  return { ...changes, deleted: 0, examples };
}

const whole: readonly Trust[] = ["good", "before-us", "attended"];
