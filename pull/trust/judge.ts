import type { ArchiveRecord, Gone, Trust } from "../ledger.ts";
import type { Archive } from "../result.ts";
import type { SegmentAudit } from "../segments.ts";
import type { Finding } from "./finding.ts";

/** All that a gate looked at. */
export interface GateFacts {
  readonly job: string;
  readonly config: "same" | "changed";
  /** The archives that ought to be there. */
  readonly known: readonly ArchiveRecord[];
  /** Those that are, checkpoints among them; undefined when they could not be asked for, because the key is another one. */
  readonly listed: readonly Archive[] | { readonly unreadable: string } | undefined;
  /** Runs that may have left something since the last gate. */
  readonly runs: readonly string[];
  /** Ids of archives that home itself was about to remove. */
  readonly removing: ReadonlySet<string>;
  /** A person has worked on it meanwhile: what came and went is that person's. */
  readonly attended?: boolean;
  /** What the log shows; undefined when home alone has written since the last gate. */
  readonly segments: SegmentAudit | undefined;
  readonly forbidden?: { readonly method: string; readonly reason: string } | undefined;
}

export interface Judgement {
  readonly findings: readonly Finding[];
  /** Archives that are new, as far as they are trusted before borg has checked them. */
  readonly appeared: readonly Omit<ArchiveRecord, "seen" | "gone">[];
  readonly gone: readonly { readonly id: string; readonly why: Gone }[];
}

/** Decides what of a repository's changes is no work of ours. */
export function judge(facts: GateFacts): Judgement {
  const { segments, forbidden } = facts;
  const listed = Array.isArray(facts.listed) ? (facts.listed as readonly Archive[]) : undefined;
  const names = new Map(facts.known.map(({ id, name }) => [id, name]));
  const there = new Set(listed?.map(({ id }) => id));
  const pairs = new Set(listed?.map(pairOf));
  const appeared = [...new Map((listed ?? []).toReversed().map((archive) => [archive.id, archive])).values()]
    .toReversed()
    .filter(({ id }) => !names.has(id))
    .map((archive) => ({ ...archive, ...originOf(archive.name, facts) }))
    .map((archive) =>
      facts.attended && archive.trust === "foreign" ? { ...archive, trust: "attended" as const } : archive,
    );
  // borg removes and restores by name: one that now means another archive is as bad as one that is gone.
  const expected = new Set([...facts.known, ...appeared].map(pairOf));
  const misnamed = (listed ?? []).filter((archive) => !expected.has(pairOf(archive)));
  const nameless = listed
    ? facts.known.filter((archive) => there.has(archive.id) && !pairs.has(pairOf(archive)))
    : [];
  const gone = listed
    ? facts.known
        .filter(({ id }) => !there.has(id))
        .map(({ id, name }) => ({ id, name, why: whyGone(id, facts) }))
    : [];
  const findings: Finding[] = [
    ...(facts.config === "changed" ? [{ kind: "config-changed" } as const] : []),
    ...(segments ? ofSegments(segments) : []),
    ...ofArchives("archive-vanished", [...gone.filter(({ why }) => why === "vanished"), ...nameless]),
    ...ofArchives("archive-appeared", [...appeared.filter(({ trust }) => trust === "foreign"), ...misnamed]),
    ...(facts.listed && "unreadable" in facts.listed
      ? [{ kind: "unreadable", problem: facts.listed.unreadable } as const]
      : []),
    ...(forbidden ? [{ kind: "forbidden-request", ...forbidden } as const] : []),
  ];
  return {
    findings,
    appeared: appeared.map(({ id, name, run, trust }) => ({ id, name, trust, ...(run ? { run } : {}) })),
    gone: gone.map(({ id, why }) => ({ id, why })),
  };
}

function whyGone(id: string, { removing, attended }: Pick<GateFacts, "removing" | "attended">): Gone {
  if (removing.has(id)) return "pruned";
  return attended ? "attended" : "vanished";
}

const pairOf = ({ id, name }: Archive): string => `${id} ${name}`;

/** A name is ours when home gave it to a run that no gate has looked at yet: a VPS cannot use an older run's. */
function originOf(
  name: string,
  { job, runs }: Pick<GateFacts, "job" | "runs">,
): { readonly run?: string; readonly trust: Trust } {
  const run = runs.find((run) => name === `${job}-${run}`);
  if (run) return { run, trust: "unconfirmed" };
  const interrupted = runs.find(
    (run) =>
      name.startsWith(`${job}-${run}.`) && /^checkpoint(\.\d+)?$/.test(name.slice(`${job}-${run}.`.length)),
  );
  return interrupted ? { run: interrupted, trust: "partial" } : { trust: "foreign" };
}

/** A VPS can make any number of archives, with names of any length: so many are kept. */
const mostArchives = 50;
const longestName = 500;

function ofArchives(
  kind: "archive-vanished" | "archive-appeared",
  archives: readonly Archive[],
): readonly Finding[] {
  const named = archives
    .slice(0, mostArchives)
    .map(({ id, name }) => ({ kind, id, name: name.slice(0, longestName) }));
  const count = archives.length - named.length;
  return count > 0 ? [...named, { kind: "more", of: kind, count }] : named;
}

function ofSegments({ deleted, overwritten, examples, manifest, damage }: SegmentAudit): readonly Finding[] {
  const of = (change: "deleted" | "overwritten") =>
    examples.filter((example) => example.change === change).map(({ id }) => id);
  return [
    ...(deleted > 0 ? [{ kind: "objects-deleted", count: deleted, examples: of("deleted") } as const] : []),
    ...(overwritten > 0
      ? [{ kind: "objects-overwritten", count: overwritten, examples: of("overwritten") } as const]
      : []),
    ...(manifest === "deleted" ? [{ kind: "manifest-deleted" } as const] : []),
    ...(damage ? [{ kind: "log-damaged", problem: damage } as const] : []),
  ];
}
