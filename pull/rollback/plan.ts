/** Decides what a rollback does, before anything is touched. */
import { UserError } from "../../schema/errors.ts";
import type { ArchiveRecord, Breach, Mark } from "../ledger.ts";
import type { SegmentFile } from "../segments/files.ts";
import { localTime } from "../time.ts";
import { archivesAt, targets } from "./targets.ts";

export interface RollbackFacts {
  readonly job: string;
  /** The run that was asked for. */
  readonly to?: string | undefined;
  /** All of them, the oldest first. */
  readonly marks: readonly Mark[];
  /** Those that are open, the oldest first. */
  readonly breaches: readonly Breach[];
  readonly archives: readonly ArchiveRecord[];
  /** On disk, lowest first. */
  readonly segments: readonly SegmentFile[];
  /** The last committed one; -1 for none. */
  readonly last: number;
  /** Digests of the repository's config, and of home's copy of it; undefined where it cannot be read. */
  readonly config: { readonly present: string | undefined; readonly copy: string | undefined };
}

export interface RollbackPlan {
  /** The log ends with it afterwards. */
  readonly segment: number;
  /** The state gone back to; undefined when the log stays as it is. */
  readonly mark: Mark | undefined;
  /** What is undone. */
  readonly breaches: readonly Breach[];
  readonly back: readonly ArchiveRecord[];
  readonly leave: readonly ArchiveRecord[];
  readonly moves: readonly SegmentFile[];
  /** What borg then checks. */
  readonly staysBytes: number;
  readonly config: "as it is" | "put back";
  /** No gate has looked at all of what goes. */
  readonly unseen: boolean;
}

/** @throws UserError when there is nothing to go back to, or no way */
export function planRollback(facts: RollbackFacts): RollbackPlan {
  const { breaches, archives, segments, config, job } = facts;
  const mark = facts.to === undefined ? beforeBreach(facts) : afterRun(facts, facts.to);
  const segment = mark?.segment ?? facts.last;
  const then = new Set((mark ? archivesAt(archives, mark) : archives.filter(isThere)).map(({ id }) => id));
  const wanted = config.copy ?? (mark ?? lastClean(facts))?.config;
  if (config.present !== wanted && config.copy === undefined) {
    throw new UserError(
      `The repository's config has changed, and home has no copy of what it was.`,
      `If you know it to be right, run "borgpull accept ${job}"; a key that was exported goes back with "borg key import".`,
    );
  }
  return {
    segment,
    mark,
    breaches,
    back: archives.filter((archive) => !isThere(archive) && then.has(archive.id)),
    leave: archives.filter((archive) => isThere(archive) && !then.has(archive.id)),
    moves: segments.filter((file) => file.segment > segment),
    staysBytes: segments.reduce((sum, file) => (file.segment > segment ? sum : sum + file.bytes), 0),
    config: config.present === wanted ? "as it is" : "put back",
    unseen: facts.last > Math.max(segment, facts.marks.at(-1)?.segment ?? -1),
  };
}

const isThere = ({ gone }: ArchiveRecord): boolean => gone === undefined;

/** Where nothing was written into the log that should not be there, the log stays. */
const besideTheLog: readonly string[] = ["config-changed", "forbidden-request"];

function beforeBreach(facts: RollbackFacts): Mark | undefined {
  const { job, breaches } = facts;
  const [oldest] = breaches;
  if (!oldest) {
    throw new UserError(
      `Nothing that was found in the repository of ${job} waits for a decision.`,
      `To go back all the same, name the run whose state is wanted: borgpull rollback ${job} --to RUN.`,
    );
  }
  if (breaches.every(({ findings }) => findings.every(({ kind }) => besideTheLog.includes(kind))))
    return undefined;
  const mark = lastClean(facts);
  if (mark?.segment === oldest.after) return mark;
  throw refusal(
    facts,
    `The state before what was found (segment ${oldest.after}) is no longer in the repository.`,
  );
}

function afterRun(facts: RollbackFacts, run: string): Mark {
  const { job, marks, breaches, last } = facts;
  const recorded = marks.filter((mark) => mark.run === run);
  if (recorded.length === 0) {
    throw refusal(facts, `No state of the repository of ${job} was recorded after a run ${run}.`);
  }
  const [oldest] = breaches;
  if (oldest && recorded.every(({ segment }) => segment > oldest.after)) {
    throw refusal(facts, `Run ${run} came with or after what was found, so its state is not free of it.`);
  }
  const mark = possible(facts).findLast((mark) => mark.run === run);
  if (!mark) {
    throw refusal(
      facts,
      `The state after run ${run} is no longer in the repository: it was compacted or rolled back since, or its segments are gone.`,
    );
  }
  if (mark.segment === last && breaches.length === 0 && facts.config.present === mark.config) {
    throw new UserError(
      `The repository of ${job} is in the state after run ${run} already.`,
      "There is nothing to do.",
    );
  }
  return mark;
}

/** States that are free of every open breach and that the log still holds. */
function possible({ marks, segments, breaches }: RollbackFacts): readonly Mark[] {
  const [oldest] = breaches;
  const there = new Set(segments.filter(({ bytes }) => bytes > 0).map(({ segment }) => segment));
  return targets(marks, there).filter(({ segment }) => !oldest || segment <= oldest.after);
}

/** The youngest of these: not the one that was set when a breach was found, which may have left the log as it was. */
function lastClean(facts: RollbackFacts): Mark | undefined {
  const marks = possible(facts);
  const [oldest] = facts.breaches;
  return marks.findLast(({ time }) => !oldest || time < oldest.found) ?? marks.at(-1);
}

function refusal(facts: RollbackFacts, problem: string): UserError {
  const runs = possible(facts).flatMap(({ run, time }) => (run ? [`${run} (${localTime(time)})`] : []));
  const [first, last] = [runs[0], runs.at(-1)];
  const accept = `borgpull accept ${facts.job}`;
  if (!first)
    return new UserError(problem, `There is no other state to go back to; "${accept}" keeps it as it is.`);
  const youngest = last === first ? "" : `, the youngest ${last}`;
  return new UserError(problem, `The oldest run that can be named with --to is ${first}${youngest}.`);
}
