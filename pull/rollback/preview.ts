/** What a rollback or an acceptance would do, as a person reads it before it is done. */
import type { ArchiveRecord, Breach, RunRecord } from "../ledger.ts";
import { clean, wrap } from "../lines.ts";
import { bytes, count } from "../quantities.ts";
import { localTime } from "../time.ts";
import { describeFinding } from "../trust/describe.ts";
import type { Finding } from "../trust/finding.ts";
import type { RollbackPlan } from "./plan.ts";

export interface Around {
  readonly job: string;
  /** Of the VPS, for messages. */
  readonly host: string;
  readonly runs: ReadonlyMap<string, RunRecord>;
  /** The folder that takes what is moved. */
  readonly aside: string;
  /** Home's copy of the config. */
  readonly copy: string;
}

const listed = 15;

export function describeRollback(plan: RollbackPlan, around: Around): string {
  const { job, host, runs } = around;
  return [
    ...plan.breaches.flatMap((breach) => [...describeFound(breach), ""]),
    plan.mark
      ? `A rollback takes ${job} back to ${describeState(plan.mark, runs)}.`
      : `A rollback of ${job} leaves all segments and archives as they are.`,
    "",
    ...describeArchives("come back", plan.back, runs),
    ...describeArchives("go", plan.leave, runs),
    ...(plan.back.length + plan.leave.length > 0 ? [] : [...wrap(noArchives(plan)), ""]),
    ...(plan.unseen ? [...wrap(unseen), ""] : []),
    ...describeMoves(plan, around),
    ...(plan.config === "put back"
      ? ["The repository's config with its key is put back from", `  ${around.copy}`]
      : ["The repository's config and key are as they should be, and stay."]),
    ...wrap(
      `Then borg checks the whole repository (it reads ${bytes(plan.staysBytes)})${plan.moves.length > 0 ? " and builds its index anew" : ""}.`,
    ),
    ...(plan.moves.length > 0
      ? wrap(`borg's cache on ${host} is removed, so the next pull reads every file again.`)
      : []),
  ].join("\n");
}

export function describeAcceptance(
  breaches: readonly Breach[],
  { job, copy }: Pick<Around, "job" | "copy">,
): string {
  const kinds = new Set(breaches.flatMap(({ findings }) => findings.map(({ kind }) => kind)));
  const means = (kind: Finding["kind"], text: string) => (kinds.has(kind) ? item(text) : []);
  return [
    ...breaches.flatMap((breach) => [...describeFound(breach), ""]),
    `To accept this means for ${job}:`,
    ...means(
      "archive-vanished",
      "The archives that have vanished stay gone, and are really lost after the next compact.",
    ),
    ...means(
      "archive-appeared",
      "The archives that no run of ours made stay, are never pruned and never trusted.",
    ),
    ...means(
      "objects-deleted",
      "Older archives may lack what was deleted. borg looks at each of them now; those with holes no longer count as good.",
    ),
    ...means(
      "objects-overwritten",
      "Older archives may hold something else than was backed up. None of them counts as good any more.",
    ),
    ...means(
      "log-damaged",
      "Nobody can say what is in older archives. None of them counts as good any more.",
    ),
    ...means(
      "config-changed",
      `The repository's config and key as they are now are what home expects from now on. The copy of what they were is kept beside ${copy}.`,
    ),
    ...means(
      "forbidden-request",
      "What was asked for and refused has changed nothing. Whoever asked for it may still be on the VPS.",
    ),
    ...item("Prune and compact go on, and after the next compact nothing of it can be rolled back."),
  ].join("\n");
}

const noArchives = ({ config }: RollbackPlan): string =>
  config === "put back"
    ? "Which archives come back and which go shows afterwards: under the changed config home could not list them."
    : "No archive comes back, and none goes.";

const unseen = "Something was written after home looked the last time. It goes too, and is not named here.";

const item = (text: string): readonly string[] =>
  wrap(text, 76).map((line, index) => `${index === 0 ? "-" : " "} ${line}`);

/** Each finding on a line of its own; a VPS may have done any number of things. */
export function describeFound({ found, findings, runs }: Breach, most = listed): readonly string[] {
  const during = runs.length > 0 ? `during run ${runs.join(", ")}` : "while no run of ours was recorded";
  return [
    `Found ${localTime(found)}, ${during}:`,
    ...findings.slice(0, most).map((finding) => `  ${describeFinding(finding)}`),
    ...more(findings.length, most),
  ];
}

const more = (all: number, most: number): readonly string[] =>
  all > most ? [`  and ${count(all - most)} more`] : [];

function describeState({ run, why, time }: NonNullable<RollbackPlan["mark"]>, runs: Around["runs"]): string {
  if (run === undefined)
    return why === "begin"
      ? "what was there before home kept records"
      : `the state after the ${why} of ${localTime(time)}`;
  const { started = time, outcome = "not ended" } = runs.get(run) ?? {};
  return `its state after run ${run}\n(${localTime(started)}, ${outcome})`;
}

function describeArchives(
  what: string,
  archives: readonly ArchiveRecord[],
  runs: Around["runs"],
): readonly string[] {
  if (archives.length === 0) return [];
  const sorted = archives.toSorted((a, b) => archiveTime(a, runs) - archiveTime(b, runs));
  return [
    `${count(archives.length)} archive${archives.length === 1 ? ` ${what === "go" ? "goes" : "comes back"}` : `s ${what}`}:`,
    ...sorted
      .slice(0, listed)
      .map(
        (archive) =>
          `  ${localTime(archiveTime(archive, runs))}  ${archive.trust.replace("-", " ").padEnd(11)}  ${clean(archive.name, 60)}`,
      ),
    ...more(archives.length, listed),
    "",
  ];
}

/** Home's time of an archive: when its run began; of one that no run of ours made, when it was first seen. */
export const archiveTime = (
  { run, seen }: Pick<ArchiveRecord, "run" | "seen">,
  runs: ReadonlyMap<string, RunRecord>,
): number => (run === undefined ? undefined : runs.get(run)?.started) ?? seen;

function describeMoves({ moves, config }: RollbackPlan, { aside }: Around): readonly string[] {
  const [first, last] = [moves[0]?.segment, moves.at(-1)?.segment];
  const size = bytes(moves.reduce((sum, file) => sum + file.bytes, 0));
  const segments = first === last ? `segment ${first}` : `segments ${first} to ${last}`;
  const parts = [
    ...(moves.length > 0 ? [`  ${segments} (${count(moves.length)} files, ${size})`, "  borg's index"] : []),
    ...(config === "put back" ? ["  the changed config"] : []),
  ];
  return parts.length === 0 ? [] : ["Moved, and not deleted, to", `  ${aside}:`, ...parts];
}
