import { describePause } from "../../pull/attempts.ts";
import { clean } from "../../pull/lines.ts";
import type { RunEvent, View } from "./event.ts";
import { codeOf } from "./event.ts";
import { newsOf } from "./words.ts";

/** Progress of a job comes four times a second; a program needs less. */
const progressMilliseconds = 1000;

/**
 * One JSON object a line, and nothing else on the stream: `{"type": "start" | "progress" | "note" | "end", "job", "time", ...}`. An end has the exit
 * code that it makes, and the run's result where there was a run.
 * @param now milliseconds since 1970
 */
export function jsonView(write: (line: string) => void, { quiet = false, now = Date.now } = {}): View {
  const isNews = newsOf(now);
  const isWanted = (event: RunEvent): boolean => {
    if (event.type === "end") return true;
    if (quiet) return false;
    if (event.type === "note" || event.type === "start") return true;
    return isNews(event, event.type === "pause" ? Number.POSITIVE_INFINITY : progressMilliseconds);
  };
  return {
    show: (event) => {
      if (!isWanted(event)) return;
      write(jsonLine({ ...headOf(event), time: new Date(now()).toISOString(), ...bodyOf(event) }));
    },
    [Symbol.dispose]: () => {},
  };
}

/** A GitHub runner takes "##[command]" for a command of its own wherever it stands in a line (github.ts): it never does here. */
const jsonLine = (data: object): string => JSON.stringify(data).replaceAll("##[", "#\\u0023[");

const headOf = ({ type, job }: RunEvent) => ({
  type: type === "step" ? "progress" : type === "pause" ? "note" : type,
  job,
});

function bodyOf(event: RunEvent): object {
  switch (event.type) {
    case "start":
      return {};
    case "progress":
      return { ...event.progress, path: clean(event.progress.path, 4096) };
    case "step":
      return { step: event.text };
    case "pause":
      return { text: describePause(event.pause) };
    case "note":
      return { text: event.text };
    case "end":
      return { code: codeOf(event.end), ...endOf(event) };
  }
}

function endOf({ end }: Extract<RunEvent, { type: "end" }>): object {
  return end.kind === "ran" ? end.result : { outcome: end.kind, reason: end.reason };
}
