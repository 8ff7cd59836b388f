import * as z from "zod";

const percent = z.object({
  type: z.literal("progress_percent"),
  msgid: z.string(),
  finished: z.boolean().optional(),
  current: z.number().optional(),
  total: z.number().positive().optional(),
});

/** One line of borg's `--log-json --progress`: how far it is with what. */
export interface Percent {
  /** borg's name for it, such as "archive.delete". */
  readonly msgid: string;
  /** 0 to 1; undefined at its end. */
  readonly share: number | undefined;
}

const interval = 250;

/** Picks the progress out of borg's stderr, at most four times a second but for what ends: it writes a line for each object. */
export function percentReader(
  onPercent: (percent: Percent) => void,
  now: () => number = Date.now,
): (line: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (line) => {
    if (!line.includes('"progress_percent"')) return;
    const parsed = percent.safeParse(json(line));
    if (!parsed.success) return;
    const { msgid, finished, current = 0, total = 1 } = parsed.data;
    if (!finished && now() - last < interval) return;
    last = now();
    onPercent({ msgid, share: finished ? undefined : Math.min(current / total, 1) });
  };
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // cut off
  }
}
