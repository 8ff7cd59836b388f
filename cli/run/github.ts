/**
 * What GitHub Actions shows of its own: groups and annotations in a log, and a summary. Commands and their escaping: docs.github.com, "Workflow commands for GitHub Actions", and
 * actions/toolkit: packages/core/src/command.ts. The runner (actions/runner: src/Runner.Common/ActionCommand.cs) takes a line for a command that
 * begins with "::", blanks aside, and still one with the older "##[command]" anywhere in it: a VPS that could write one would command the runner.
 */
import * as fs from "node:fs";
import { clean } from "../../pull/lines.ts";
import { bytes, count } from "../../pull/quantities.ts";
import type { End, View } from "./event.ts";
import { plainView } from "./plain.ts";
import { problemsOf, resultOf } from "./words.ts";

/** The message of a command. */
export const escapeData = (text: string): string =>
  text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");

/** The value of a command's property. */
export const escapeProperty = (text: string): string =>
  escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");

/** Text of a log, none of whose lines is a command. */
export const noCommand = (text: string): string =>
  text.replace(/^\s*::/gm, (mark) => mark.replace("::", ": :")).replaceAll("##[", "## [");

/** Plain lines, but what was noted of a job comes together before its end, in a group that is folded. */
export function groupedView(write: (line: string) => void): View {
  const line = (text: string) => write(noCommand(text));
  const plain = plainView({ out: line, err: line });
  const notes = new Map<string, string[]>();
  return {
    show: (event) => {
      if (event.type === "note") {
        notes.set(event.job, [...(notes.get(event.job) ?? []), event.text]);
        return;
      }
      const said = event.type === "end" ? (notes.get(event.job) ?? []) : [];
      if (said.length > 0) {
        write(`::group::${escapeData(`${event.job}: ${said.length} note(s)`)}`);
        for (const text of said) line(`${event.job}: ${text}`);
        write("::endgroup::");
      }
      plain.show(event);
    },
    [Symbol.dispose]: () => {},
  };
}

/** An annotation of each job that is not good: on the run's page, above the log. */
export function annotationsView(write: (line: string) => void): View {
  return {
    show: (event) => {
      if (event.type !== "end") return;
      const note = annotation(event.job, event.end);
      if (note) write(note);
    },
    [Symbol.dispose]: () => {},
  };
}

function annotation(job: string, end: End): string | undefined {
  const problems = problemsOf(end);
  const level = problems.length > 0 ? "error" : "warning";
  const text = problems.length > 0 ? problems.join("\n") : warningsOf(end);
  return text && `::${level} title=${escapeProperty(`borgpull: ${job}`)}::${escapeData(text)}`;
}

const mostWarnings = 10;

function warningsOf(end: End): string | undefined {
  if (end.kind !== "ran" || end.result.outcome !== "warning") return undefined;
  const { warnings } = end.result;
  const more = warnings.length - mostWarnings;
  return [
    resultOf(end) ?? "warning",
    ...warnings.slice(0, mostWarnings),
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join("\n");
}

/**
 * Appends a table of all jobs to the job summary of GitHub Actions (docs.github.com, "Adding a job summary"). What cannot be written there is no
 * reason for a backup to fail.
 * @param file GITHUB_STEP_SUMMARY
 */
export function summaryView(file: string, warn: (line: string) => void): View {
  const ends = new Map<string, End>();
  return {
    show: (event) => {
      if (event.type === "end") ends.set(event.job, event.end);
    },
    [Symbol.dispose]: () => {
      if (ends.size === 0) return;
      try {
        fs.appendFileSync(file, summaryTable(ends));
      } catch (error) {
        warn(`The job summary could not be written: ${(error as Error).message}`);
      }
    },
  };
}

const head = ["Job", "Outcome", "Files", "Read", "New", "Time", "Archive, or what is wrong"];

/** A Markdown table, a row a job. */
export function summaryTable(ends: ReadonlyMap<string, End>): string {
  const rows = [...ends].map(([job, end]) => [job, ...cells(end)].map(literal));
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `### Backups\n\n${lines.join("\n")}\n\n`;
}

function cells(end: End): readonly string[] {
  const problem = clean(problemsOf(end).join(" "), 600);
  if (end.kind !== "ran") return [end.kind, "", "", "", "", end.reason];
  const { outcome, figures, archive, warnings } = end.result;
  const numbers = figures
    ? [
        count(figures.files),
        bytes(figures.originalBytes),
        bytes(figures.newBytes),
        `${figures.seconds.toFixed(1)} s`,
      ]
    : ["", "", "", ""];
  const said = outcome === "warning" ? `: ${clean(warnings.slice(0, 3).join(" "), 300)}` : "";
  return [outcome, ...numbers, problem || `${archive?.name ?? ""}${said}`];
}

/** Text that is only text in Markdown and in HTML: entities cannot make any markup (CommonMark 0.31, 2.5), and no link by themselves. */
const literal = (text: string): string =>
  clean(text, 1000).replace(/[^\p{L}\p{N} ,-]/gu, (letter) => `&#${letter.codePointAt(0)};`);
