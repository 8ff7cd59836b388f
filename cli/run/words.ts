/** What happens in words, for a terminal and for a log. */
import { describePause } from "../../pull/attempts.ts";
import { describeProgress } from "../../pull/progress.ts";
import { bytes, count } from "../../pull/quantities.ts";
import type { RunResult } from "../../pull/result.ts";
import type { End, RunEvent } from "./event.ts";

/** What is so for a while, until something else is. */
export type Ongoing = Exclude<RunEvent, { type: "note" | "end" }>;

/** What is going on with a job, in a line. */
export function textOf(event: Ongoing): string {
  switch (event.type) {
    case "start":
      return "pulling";
    case "progress":
      return describeProgress(event.progress);
    case "step":
      return event.text;
    case "pause":
      return describePause(event.pause);
  }
}

/** The same for events of which each replaces the one before. */
export function aboutOf(event: Ongoing): string {
  if (event.type === "pause") {
    const { pause } = event;
    if (pause.kind === "brief-work") return pause.kind;
    return pause.kind === "retry" ? `try ${pause.next}` : `after ${pause.running.join()}`;
  }
  return event.type === "step" ? event.text.replace(/[\d.,]+/g, "") : "pull";
}

/**
 * Tells what is news of a job: something else than before, or the same again after a while.
 * @param now milliseconds, of any clock
 */
export function newsOf(now: () => number): (event: Ongoing, everyMilliseconds: number) => boolean {
  const last = new Map<string, { readonly about: string; readonly time: number }>();
  return (event, every) => {
    const [before, about] = [last.get(event.job), aboutOf(event)];
    if (before?.about === about && now() - before.time < every) return false;
    last.set(event.job, { about, time: now() });
    return true;
  };
}

/** What is wrong, for standard error: any number of lines. */
export function problemsOf(end: End): readonly string[] {
  if (end.kind === "refused") return [end.reason];
  if (end.kind === "skipped") return [];
  const { outcome, failure, breach } = end.result;
  return [
    ...(failure ? [`failed (${failure.kind}). ${failure.problem} ${failure.remedy}`] : []),
    ...(breach && outcome !== "tampered" ? [breach] : []),
  ];
}

/** What was made, for standard output. */
export function resultOf(end: End): string | undefined {
  if (end.kind === "skipped") return end.reason;
  return end.kind === "ran" ? made(end.result) : undefined;
}

function made({ outcome, archive, figures, warnings }: RunResult): string | undefined {
  if (!archive || !figures) return undefined;
  const parts = [
    `${count(figures.files)} files`,
    `${bytes(figures.originalBytes)} read`,
    `${bytes(figures.newBytes)} new`,
    `${figures.seconds.toFixed(1)} s`,
    `archive ${archive.name}`,
    ...(warnings.length > 0 ? [`${warnings.length} warning(s)`] : []),
  ];
  return `${outcome}, ${parts.join(", ")}`;
}
