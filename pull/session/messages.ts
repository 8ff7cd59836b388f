import * as z from "zod";
import { clean } from "../lines.ts";
import { bytes } from "../quantities.ts";
import type { Figures } from "../result.ts";

/** What one line of a pull's stderr is: borg's JSON, a hook's or a dump's own words, or text of sudo or borgctl. */
export type Message =
  | {
      readonly type: "progress";
      readonly files: number;
      readonly bytesRead: number;
      readonly bytesNew: number;
      readonly path: string;
    }
  | {
      readonly type: "log";
      readonly level: Level;
      readonly msgid?: string;
      readonly message: string;
      /** The name of the dump whose end it tells. */
      readonly dump?: string;
    }
  | { readonly type: "text"; readonly message: string }
  /** Whose words they are comes first: a hook's user may be hostile, and none of it is taken for borg's or borgctl's. */
  | { readonly type: "command"; readonly message: string };

export type Level = "debug" | "info" | "warning" | "error";

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

const progress = z.object({
  type: z.literal("archive_progress"),
  nfiles: count,
  original_size: count,
  deduplicated_size: count.catch(0), // below zero while a file is taken back
  path: z.string().catch(""),
});
const log = z.object({
  type: z.literal("log_message"),
  levelname: z.string(),
  message: z.string(),
  msgid: z.string().nullish(),
});
const words = z.union([
  z.object({ hook: z.enum(["before", "onError", "after"]), says: z.string() }),
  z.object({ dump: z.string(), says: z.string() }),
]);
/** How a dump ended; while it runs there is no code. */
const dump = z.object({
  dump: z.string(),
  code: z.int().min(0).max(255),
  bytes: count,
  last: z.string().optional(),
});

/** A traceback names its error at its end, some thousand characters in. */
const longestMessage = 8192;

/** Reads one line; undefined for what says nothing (the end of the progress, its other kinds). The line comes from the VPS: nothing in it is trusted. */
export function parseMessage(line: string): Message | undefined {
  let data: unknown;
  try {
    data = line.startsWith("{") ? JSON.parse(line) : undefined;
  } catch {
    // not JSON after all
  }
  if (typeof data !== "object" || data === null) return { type: "text", message: clean(line) };
  const moved = progress.safeParse(data);
  if (moved.success) {
    const { nfiles, original_size, deduplicated_size, path } = moved.data;
    return {
      type: "progress",
      files: nfiles,
      bytesRead: original_size,
      bytesNew: deduplicated_size,
      path: clean(path, 300),
    };
  }
  const said = log.safeParse(data);
  if (!said.success) return saidByCommand(data) ?? dumped(data);
  const { levelname, message, msgid } = said.data;
  return {
    type: "log",
    level: levels[levelname.toLowerCase()] ?? "info",
    message: message.slice(0, longestMessage),
    ...(msgid ? { msgid: clean(msgid, 80) } : {}),
  };
}

function saidByCommand(data: object): Message | undefined {
  const { data: said } = words.safeParse(data);
  if (!said?.says.trim()) return undefined;
  const whose = "hook" in said ? `${said.hook} hook` : `dump ${clean(said.dump, 100)}`;
  return { type: "command", message: clean(`${whose}: ${said.says}`, 1000) };
}

function dumped(data: object): Message | undefined {
  const ended = dump.safeParse(data);
  if (!ended.success) return undefined;
  const { code, bytes: size, last = "" } = ended.data;
  const name = clean(ended.data.dump, 100);
  if (code === 0) {
    const message = `The dump ${name} was made: ${bytes(size)}.`;
    return { type: "log", level: "info", msgid: "dump", message, dump: name };
  }
  const why = clean(last.trim().split("\n").at(-1) ?? "", 200);
  const message = `The dump ${name} failed with exit code ${code}, after ${bytes(size)}${why ? `: ${why}` : "."}`;
  return { type: "log", level: "warning", msgid: "dump", message, dump: name };
}

const levels: Readonly<Record<string, Level>> = {
  debug: "debug",
  info: "info",
  warning: "warning",
  error: "error",
  critical: "error",
};

/** A sentence of borgctl's own. */
export const isBorgctl = (message: Message): message is Extract<Message, { type: "text" }> =>
  message.type === "text" && message.message.startsWith("borgctl: ");

/** borgctl's first line on stdout. */
export const greeting = z.object({
  borgctl: z.string().regex(/^[0-9a-z.+-]{1,40}$/),
  borg: z.string().regex(/^[0-9a-z.+-]{1,40}$/),
  relay: z.enum(["nc", "python3"]),
  privilege: z.enum(["read-all", "user", "root"]),
  /** Seconds since 1970 by the VPS's clock. */
  time: z.int().nonnegative().optional(),
});
export type Greeting = z.infer<typeof greeting>;

const report = z.object({
  archive: z.object({
    id: z.string().regex(/^[0-9a-f]{64}$/),
    name: z.string().max(200),
    duration: z.number().nonnegative(),
    stats: z.object({
      nfiles: count,
      original_size: count,
      compressed_size: count,
      deduplicated_size: count,
    }),
  }),
});

/** What the VPS says that it archived. */
export interface Report {
  readonly id: string;
  readonly name: string;
  readonly figures: Figures;
}

/** borgctl's stdout: its greeting, then the JSON object of `borg create --json`; each is undefined where it did not come or is not what it should be. */
export function parseOutput(stdout: string): { readonly greeting?: Greeting; readonly report?: Report } {
  const end = stdout.indexOf("\n");
  const first = greeting.safeParse(json(end < 0 ? stdout : stdout.slice(0, end)));
  const rest = report.safeParse(json(end < 0 ? "" : stdout.slice(end + 1)));
  return {
    ...(first.success ? { greeting: first.data } : {}),
    ...(rest.success ? { report: toReport(rest.data) } : {}),
  };
}

function toReport({ archive }: z.infer<typeof report>): Report {
  const { nfiles, original_size, compressed_size, deduplicated_size } = archive.stats;
  return {
    id: archive.id,
    name: archive.name,
    figures: {
      files: nfiles,
      originalBytes: original_size,
      compressedBytes: compressed_size,
      newBytes: deduplicated_size,
      seconds: archive.duration,
    },
  };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
