import type { JobFile } from "../../schema/job-file.ts";
import type { Channel } from "../../schema/notify.ts";
import { noticeOf } from "./notice.ts";
import { attempt, sendNotice } from "./send.ts";

export interface TestedChannel {
  readonly name: string;
  readonly kind: Channel["kind"];
  /** The jobs that have it. */
  readonly jobs: readonly string[];
  /** Why it was not told, in sentences; left out: it was. */
  readonly problem?: string;
}

/** Sends a test notice over each channel of some jobs, once over one that several jobs share. Nothing is recorded. */
export function testChannels(jobs: readonly JobFile[]): Promise<readonly TestedChannel[]> {
  const all = jobs.flatMap((job) =>
    Object.entries(job.notify ?? {}).map(([name, channel]) => ({ job, name, channel })),
  );
  const same = Object.values(
    Object.groupBy(all, ({ name, channel }) => JSON.stringify([name, channel])),
  ).filter((group) => group !== undefined);
  return Promise.all(
    same.map(async (group) => {
      const [{ job, name, channel }] = group as [(typeof all)[number]];
      const notice = noticeOf({ job, state: "test", before: undefined, situation: {}, now: Date.now() });
      const problem = await attempt(channel, (signal) => sendNotice(channel, notice, signal));
      const sharing = group.map(({ job: { job: sharer } }) => sharer);
      return { name, kind: channel.kind, jobs: sharing, ...(problem ? { problem } : {}) };
    }),
  );
}
