import type { JobFile } from "../../schema/job-file.ts";
import type { Mark } from "../ledger.ts";
import { auditSegments, type SegmentAudit } from "../segments.ts";

/**
 * What the repository's log shows of everything since a mark; undefined when nothing was committed.
 * @param options.objects how many objects borg's index has now
 */
export async function changesSince(
  mark: Pick<Mark, "segment" | "objects">,
  options: {
    readonly job: Pick<JobFile, "repository">;
    /** The last committed segment. */
    readonly last: number;
    readonly objects: number | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<SegmentAudit | undefined> {
  const { segment: after } = mark;
  const { job, last: upTo, objects, signal } = options;
  if (upTo === after) return undefined;
  const range = { after, upTo };
  if (upTo < after) {
    const damage = `it ends with segment ${upTo}, and once it went on to ${after}: an older copy was put in its place`;
    return { ...nothing, ...range, damage };
  }
  const audit = await auditSegments(job.repository, { ...range, ...(signal ? { signal } : {}) });
  return addUp(audit, mark.objects, objects);
}

const nothing = {
  puts: 0,
  deletes: 0,
  bytes: 0,
  deleted: 0,
  overwritten: 0,
  examples: [],
  manifest: "untouched",
} as const;

/** borg looks objects up in its index, not in the log: one that does not follow from the log hides some of them. */
export function addUp(
  audit: SegmentAudit,
  before: number | undefined,
  after: number | undefined,
): SegmentAudit {
  if (audit.damage || before === undefined || after === undefined) return audit;
  const expected = before + audit.puts - audit.deletes;
  if (after === expected) return audit;
  return { ...audit, damage: `borg's index has ${after} objects where the log leads to ${expected}` };
}
