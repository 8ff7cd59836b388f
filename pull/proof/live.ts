/** What files are on the VPS now: borgctl's verb `hash`, over the job's pull key. */
import * as z from "zod";
import { connect } from "../../remote/connect.ts";
import { ReachError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { endpoint } from "../../schema/target.ts";
import { clean } from "../lines.ts";
import type { Live, NotSeen } from "./judge.ts";

/** borgctl's own limit is ten minutes, and a minute for the paths to come. */
const timeoutSeconds = 700;

const answer = z.union([
  z.object({
    ctime: z.string().regex(/^-?\d{1,30}$/),
    size: z.number().int().nonnegative(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  z.object({ error: z.enum(["gone", "not-in-this-job", "unreadable"]) }),
]);

export type LiveFiles =
  /** In the order of the paths. */
  | { readonly kind: "answered"; readonly files: readonly (Live | NotSeen)[] }
  /** A sentence. */
  | { readonly kind: "unasked"; readonly why: string };

/**
 * Asks the VPS for time of the last change, size and hash of files. Whatever it answers is its own word.
 * @param run the name of one that is over
 * @param paths absolute; a hundred at most
 * @throws what the signal was aborted with
 */
export async function hashLive(
  { pull }: JobFile,
  run: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<LiveFiles> {
  if (paths.length === 0) return { kind: "answered", files: [] };
  const ended = signal ? { signal } : {};
  try {
    await using connection = await connect(pull, ended);
    const stdin = Buffer.from(paths.map((path) => `${path}\0`).join(""));
    const { code, stdout, stderr } = await connection.exec(`hash ${run}`, {
      stdin,
      timeoutSeconds,
      ...ended,
    });
    signal?.throwIfAborted();
    if (code === 0) return parseAnswers(stdout.toString(), paths.length, endpoint(pull));
    const why = clean(stderr.toString(), 200) || `exit code ${code ?? "none"}`;
    return { kind: "unasked", why: `${endpoint(pull)} gave no hashes (${why}).` };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ReachError) return { kind: "unasked", why: error.problem };
    throw error;
  }
}

/** One JSON object a line; anything else, and another number of them, is no answer. */
export function parseAnswers(text: string, count: number, host: string): LiveFiles {
  const lines = text.split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => answer.safeParse(json(line)));
  if (lines.length !== count || parsed.some(({ success }) => !success)) {
    return { kind: "unasked", why: `${host} answered with something that is none of borgctl's.` };
  }
  const files = parsed.map(({ data }): Live | NotSeen => {
    if (data === undefined) throw new Error("looked at above");
    if ("error" in data) return data.error;
    return { changed: Number(data.ctime) / 1000, bytes: data.size, sha256: data.sha256 };
  });
  return { kind: "answered", files };
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
