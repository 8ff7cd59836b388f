import type { JobFile } from "../../schema/job-file.ts";
import { extractArgs } from "../borg/extract-args.ts";
import { percentReader } from "../borg/percent.ts";
import { lineReader } from "../lines.ts";
import { guardOfReading } from "../rpc/guard.ts";
import { serveChannel } from "../serve.ts";
import { stallWatch } from "../session/stall-watch.ts";
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
  /** The paths are a sample of an archive that nobody looks at: as extractArgs has it, and no file may become larger than it says. */
  readonly sample?: { readonly fileBytes: number };
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
    sample,
    folder,
    overwrite,
    passphrase,
    where,
    signal,
  } = options;
  const { lockWaitSeconds, stallSeconds } = job.limits;
  signal?.throwIfAborted();
  const args = extractArgs({ archive, paths, numericIds, sample: sample !== undefined, lockWaitSeconds });
  const confined = await start({
    ...{ job: job.job, folder, overwrite, args, passphrase },
    fileBytes: sample?.fileBytes,
  });
  const stop = () => confined.kill();
  using watch = stallWatch(stallSeconds);
  watch.signal.addEventListener("abort", stop);
  const server = serveChannel(confined.channel, guardOfReading(job.job), {
    job: job.job,
    repository: job.repository,
    state: options.state,
    purpose: "restore",
    onBytes: watch.alive,
  });
  signal?.addEventListener("abort", stop, { once: true });
  const listening = listener(stop);
  const onPercent = percentReader(({ msgid, share }) => {
    if (msgid === "extract") options.onProgress?.(share ?? 1);
  });
  confined.stderr.on(
    "data",
    lineReader((line) => {
      watch.alive();
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
    const { refusal } = served;
    const cut = refusal
      ? `borg asked for "${refusal.method}", which home refused (${refusal.reason})`
      : watch.signal.aborted
        ? `nothing came from borg for ${stallSeconds} s (limits.stall)`
        : undefined;
    // borg then only says that the connection was closed, and one that is not borg says anything.
    const outcome =
      cut === undefined ? outcomeOf(code, said, where) : outcomeOf(undefined, { ...said, last: cut }, where);
    return { outcome, said };
  } finally {
    signal?.removeEventListener("abort", stop);
    confined.kill();
    await server.end();
  }
}
