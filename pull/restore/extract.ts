import type { JobFile } from "../../schema/job-file.ts";
import { extractArgs } from "../borg/extract-args.ts";
import { percentReader } from "../borg/percent.ts";
import { lineReader } from "../lines.ts";
import { guardOfReading } from "../rpc/guard.ts";
import { serveChannel } from "../serve.ts";
import type { Confined, ConfinedOptions } from "./confined.ts";
import { listener, type Outcome, outcomeOf, type Said } from "./outcome.ts";

export interface ExtractOptions {
  readonly job: JobFile;
  readonly state: string;
  readonly passphrase: string;
  /** Its name. */
  readonly archive: string;
  /** None: all of it. */
  readonly paths: readonly string[];
  readonly numericIds?: boolean;
  /** As extractArgs has it. */
  readonly flags?: boolean;
  readonly folder: string;
  readonly overwrite: boolean;
  /** The folder, in words. */
  readonly where: string;
  readonly signal?: AbortSignal;
  /** 0 to 1, at most four times a second. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Extracts from a job's repository with a borg that can write to one folder alone, and that can ask home's `borg serve` for nothing but
 * what a restore reads. Needs the job's lock.
 * @param start where that borg runs
 * @throws what the signal was aborted with
 */
export async function extract(
  options: ExtractOptions,
  start: (options: ConfinedOptions) => Confined | Promise<Confined>,
): Promise<{ readonly outcome: Outcome; readonly said: Said }> {
  const {
    job,
    archive,
    paths,
    numericIds = false,
    flags,
    folder,
    overwrite,
    passphrase,
    where,
    signal,
  } = options;
  const { lockWaitSeconds } = job.limits;
  signal?.throwIfAborted();
  const args = extractArgs({ archive, paths, numericIds, flags, lockWaitSeconds });
  const confined = await start({ job: job.job, folder, overwrite, args, passphrase });
  const server = serveChannel(confined.channel, guardOfReading(job.job), {
    job: job.job,
    repository: job.repository,
    state: options.state,
    purpose: "restore",
    onBytes: () => {},
  });
  const stop = () => confined.kill();
  signal?.addEventListener("abort", stop, { once: true });
  const listening = listener(stop);
  const onPercent = percentReader(({ msgid, share }) => {
    if (msgid === "extract") options.onProgress?.(share ?? 1);
  });
  confined.stderr.on(
    "data",
    lineReader((line) => {
      listening.line(line);
      onPercent(line);
    }),
  );
  try {
    if (signal?.aborted) stop();
    const code = await confined.ended;
    const served = await server.end();
    signal?.throwIfAborted();
    const said = listening.said();
    // borg then only says that the connection was closed.
    const { refusal } = served;
    const last = refusal
      ? `borg asked for "${refusal.method}", which home refused (${refusal.reason})`
      : said.last;
    return { outcome: outcomeOf(code, { ...said, last }, where), said };
  } finally {
    signal?.removeEventListener("abort", stop);
    confined.kill();
    await server.end();
  }
}
