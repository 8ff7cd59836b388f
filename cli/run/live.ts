import { createLogUpdate } from "log-update";
import { describePause } from "../../pull/attempts.ts";
import { fit } from "../fit.ts";
import type { View } from "./event.ts";
import type { Lines } from "./plain.ts";
import { type Ongoing, problemsOf, resultOf, textOf } from "./words.ts";

/** For a terminal: a line of each job that runs, written over as it goes on, below what is finished. */
export function liveView(terminal: NodeJS.WriteStream, { out, err }: Lines): View {
  const update = createLogUpdate(terminal);
  const going = new Map<string, Ongoing>();
  const draw = () => {
    const size = { columns: (terminal.columns || 80) - 1, rows: (terminal.rows || 24) - 1 };
    const lines = liveLines([...going.values()], size);
    if (lines.length > 0) update(lines.join("\n"));
  };
  const above = (write: () => void) => {
    update.clear();
    write();
    draw();
  };
  return {
    show: (event) => {
      const { job } = event;
      if (event.type === "note") return above(() => err(`${job}: ${event.text}`));
      if (event.type !== "end") {
        going.set(job, event);
        return draw();
      }
      going.delete(job);
      above(() => {
        for (const problem of problemsOf(event.end)) err(`${job}: ${problem}`);
        const result = resultOf(event.end);
        if (result) out(`${job}: ${result}`);
      });
    },
    [Symbol.dispose]: () => {
      update.clear();
      update.done();
    },
  };
}

/** No line is longer than a row, and there are no more of them than rows: jobs that wait for their turn share one. */
export function liveLines(
  going: readonly Ongoing[],
  { columns, rows }: { readonly columns: number; readonly rows: number },
): readonly string[] {
  const waiting = going.filter((event) => event.type === "pause" && event.pause.kind === "turn");
  const active = going.filter((event) => !waiting.includes(event));
  const longest = Math.max(0, ...active.map(({ job }) => job.length));
  const lines = [
    ...active.map((event) => `${`${event.job}:`.padEnd(longest + 1)} ${textOf(event)}`),
    ...waitingLine(waiting),
  ];
  const shown = lines.length > rows ? lines.slice(0, Math.max(0, rows - 1)) : lines;
  const more = lines.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].map((line) => fit(line, columns));
}

function waitingLine(waiting: readonly Ongoing[]): readonly string[] {
  const last = waiting.at(-1);
  if (last?.type !== "pause") return [];
  const jobs = waiting.map(({ job }) => job);
  const names =
    jobs.length > 3 ? `${jobs.slice(0, 2).join(", ")} and ${jobs.length - 2} more` : jobs.join(", ");
  return [`${names}: ${describePause(last.pause)}`];
}
