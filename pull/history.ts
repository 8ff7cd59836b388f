/** What was done with a job, by whomever: its runs, checks and all that is on record besides, in one row. */
import type { CheckRecord, Event, Ledger, RunRecord } from "./ledger.ts";
import { sentence } from "./lines.ts";
import { bytes, count } from "./quantities.ts";

export interface HistoryEntry {
  /** When it began, milliseconds since 1970. */
  readonly time: number;
  /** "run", "check archives", "proof", or the kind of an event. */
  readonly what: string;
  /** Of what has one; "running" while there is none yet. */
  readonly outcome?: NonNullable<RunRecord["outcome"]> | CheckRecord["outcome"] | "running";
  /** May quote a VPS. */
  readonly text: string;
}

/**
 * @param limit how many entries at most
 * @param running whether a run without an end is one that goes on, and not one that died
 * @returns the youngest of a job, the oldest of them first
 */
export function history(
  ledger: Pick<Ledger, "runs" | "checks" | "events">,
  job: string,
  { limit, running }: { readonly limit: number; readonly running: boolean },
): readonly HistoryEntry[] {
  const entries = [
    ...ledger.runs(job, limit).map((record, index) => ofRun(record, running && index === 0)),
    ...ledger.checks(job, limit).map(ofCheck),
    // What a check found is told with the check.
    ...ledger.events(job, limit).flatMap((event) => (event.kind === "check" ? [] : [ofEvent(event)])),
  ];
  return entries.toSorted((a, b) => a.time - b.time).slice(-limit);
}

function ofRun({ started, outcome, ...rest }: RunRecord, running: boolean): HistoryEntry {
  const open = running ? "running" : "abandoned";
  return { time: started, what: "run", outcome: outcome ?? open, text: textOf(rest) };
}

function textOf({ failure, figures, warnings }: Pick<RunRecord, "failure" | "figures" | "warnings">): string {
  const made = figures
    ? [`${count(figures.files)} files, ${bytes(figures.originalBytes)} read, ${bytes(figures.newBytes)} new`]
    : [];
  return [...(failure ? [failure.problem] : made), ...warnings].map(sentence).join(" ");
}

function ofCheck({ kind, started, outcome, detail }: CheckRecord): HistoryEntry {
  const what = kind === "proof" ? kind : `check ${kind}`;
  return { time: started, what, outcome, text: detail.problem ?? detail.summary ?? "" };
}

/** The export's text is a digest, for status to compare. */
const ofEvent = ({ time, kind, text }: Event): HistoryEntry => ({
  time,
  what: kind.replace("-", " "),
  text: kind === "key-export" ? "" : text,
});
