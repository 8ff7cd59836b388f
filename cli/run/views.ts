import type { View } from "./event.ts";
import { annotationsView, groupedView, noCommand, summaryView } from "./github.ts";
import { jsonView } from "./json.ts";
import { type Lines, plainView, quietView } from "./plain.ts";

export interface Shape {
  readonly json: boolean;
  readonly quiet: boolean;
}

const toStreams: Lines = { out: (line) => console.log(line), err: (line) => console.error(line) };

/** How to show runs here: as asked for, else live on a terminal, as GitHub has it in its Actions, and as plain lines anywhere else. */
export async function viewFor(shape: Shape, env: NodeJS.ProcessEnv = process.env): Promise<View> {
  if (env.GITHUB_ACTIONS === "true") return onGithub(shape, env.GITHUB_STEP_SUMMARY);
  if (shape.json) return jsonView(toStreams.out, shape);
  if (shape.quiet) return quietView(toStreams);
  // A terminal of no size, as some programs make one, has no room for anything.
  if (!process.stderr.isTTY || !process.stderr.rows) return plainView(toStreams);
  const { liveView } = await import("./live.ts"); // the library is for terminals alone
  return liveView(process.stderr, toStreams);
}

function onGithub({ json, quiet }: Shape, summary: string | undefined): View {
  const { out, err } = toStreams;
  const log = json
    ? jsonView(out, { quiet })
    : quiet
      ? quietView({ out, err: (line) => err(noCommand(line)) })
      : groupedView(out);
  return together([log, annotationsView(json ? err : out), ...(summary ? [summaryView(summary, err)] : [])]);
}

/** All of them, as one. */
const together = (views: readonly View[]): View => ({
  show: (event) => {
    for (const view of views) view.show(event);
  },
  [Symbol.dispose]: () => {
    for (const view of views) view[Symbol.dispose]();
  },
});
