import type { View } from "./event.ts";
import { newsOf, problemsOf, resultOf, textOf } from "./words.ts";

/** Where lines go: what was made, and all else. */
export interface Lines {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

const minute = 60_000;

/** Lines for a log: the beginning, the end, and in between at most one a minute of each job. @param now milliseconds, of any clock */
export function plainView({ out, err }: Lines, now: () => number = () => performance.now()): View {
  const isNews = newsOf(now);
  return {
    show: (event) => {
      const { job } = event;
      if (event.type === "note") return err(`${job}: ${event.text}`);
      if (event.type !== "end") {
        if (isNews(event, minute)) err(`${job}: ${textOf(event)}`);
        return;
      }
      for (const problem of problemsOf(event.end)) err(`${job}: ${problem}`);
      const result = resultOf(event.end);
      if (result) out(`${job}: ${result}`);
    },
    [Symbol.dispose]: () => {},
  };
}

/** For cron: nothing but what is not good. */
export function quietView({ err }: Lines): View {
  return {
    show: (event) => {
      if (event.type !== "end") return;
      const { job, end } = event;
      for (const problem of problemsOf(end)) err(`${job}: ${problem}`);
      if (end.kind !== "ran" || end.result.outcome !== "warning") return;
      err(`${job}: ${resultOf(end) ?? end.result.outcome}`);
      for (const warning of end.result.warnings) err(`${job}: ${warning}`);
    },
    [Symbol.dispose]: () => {},
  };
}
