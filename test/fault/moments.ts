/** How a test comes upon a run in one moment: by what can be seen of it from outside, and by holding its link there. */
import * as fs from "node:fs";
import * as path from "node:path";
import { lockHolders } from "../../pull/borg/lock.ts";
import { begin, type Job, type Running, type Stage } from "./stage.ts";

/** What was to be come upon was over before we could look: the machine was busy. */
export class TooLateError extends Error {}

/** Tries again, from the preparation on, while the moment is missed. */
export async function comeUpon(prepare: () => Promise<void>, come: () => Promise<Running>): Promise<Running> {
  for (let tries = 1; ; tries++) {
    await prepare();
    try {
      return await come();
    } catch (error) {
      if (!(error instanceof TooLateError) || tries === 5) throw error;
    }
  }
}

export type Moment = (stage: Stage, job: Job) => Promise<Running>;

/** The intent is recorded, and home's first packet to the VPS is on its way. */
export const beforeConnect: Moment = async (_stage, job) => {
  const held = job.link.holdNext();
  const running = begin(job);
  await held;
  return running;
};

/** sshd has made the socket, and home does not know it yet. */
export const whileForwarding: Moment = async ({ host }, job) => {
  for (let latencyMilliseconds = 200; latencyMilliseconds < 2000; latencyMilliseconds *= 2) {
    job.link.shape = { latencyMilliseconds };
    const running = begin(job);
    await host.run(
      "for i in $(seq 1 2000); do [ -z \"$(find /run/borgpull -name '*.sock' -mmin -1)\" ] || exit 0; sleep 0.01; done; exit 1",
    );
    job.link.hold();
    job.link.shape = undefined;
    const begun = await host.run("pgrep -f '[b]orgpull/borgctl' || true");
    if (begun === "") return running;
    // Too late this time: the answer was quicker than we are.
    job.link.release();
    await running.ended;
  }
  throw new Error("the moment was missed each time");
};

/** borg on the VPS has opened the repository. */
export const opened: Moment = (_stage, job) => heldAt(job, (name) => name === "lock.exclusive");

/** A transaction is in the repository, and neither the VPS nor home's records know. */
export const committed: Moment = (_stage, job) => {
  const before = lastIndex(job);
  return heldAt(job, (name) => indexOf(name) > before);
};

/** borg writes the index of a transaction when it has ended it. */
const indexOf = (name: string): number => Number(/^index\.(\d+)$/.exec(name)?.[1] ?? -1);
const lastIndex = ({ repository }: Job): number => Math.max(...fs.readdirSync(repository).map(indexOf));

/** Holds the link as soon as a file of that name appears in the repository. */
async function heldAt(job: Job, is: (name: string) => boolean): Promise<Running> {
  const seen = Promise.withResolvers<void>();
  const watcher = fs.watch(job.repository, (_event, name) => {
    if (!name || !is(name)) return;
    job.link.hold();
    seen.resolve();
  });
  try {
    const running = begin(job);
    await Promise.race([
      seen.promise,
      running.ended.then(({ text }) =>
        Promise.reject(new TooLateError(`it ended before the moment: ${text}`)),
      ),
    ]);
    return running;
  } finally {
    watcher.close();
  }
}

/** `borgpull prune` or `compact`: borg at home has begun, and stands still. */
export const beforeCommit =
  (verb: "prune" | "compact"): Moment =>
  (_stage, job) =>
    stoppedAt(job, verb, job.repository, (name) => name === "lock.exclusive");

/** borg has ended its transaction, and stands still before it ends. */
export const afterCommit =
  (verb: "prune" | "compact"): Moment =>
  (_stage, job) => {
    const before = lastIndex(job);
    return stoppedAt(job, verb, job.repository, (name) => indexOf(name) > before);
  };

/** borg has removed a segment that it has written anew, and stands still before the end of its transaction. */
export const inCompact: Moment = (_stage, job) => {
  const data = path.join(job.repository, "data/0");
  return stoppedAt(job, "compact", data, (name) => !fs.existsSync(path.join(data, name)));
};

/** Stops the borg of that verb as soon as the folder has changed so. */
async function stoppedAt(
  job: Job,
  verb: "prune" | "compact",
  folder: string,
  is: (name: string) => boolean,
): Promise<Running> {
  const command = verb === "prune" ? "\0delete\0" : "\0compact\0";
  const stopped = Promise.withResolvers<void>();
  const watcher = fs.watch(folder, (_event, name) => {
    if (!name || !is(name)) return;
    const borg = lockHolders(job.repository).find(({ pid }) => commandOf(pid).includes(command));
    if (!borg) return;
    process.kill(borg.pid, "SIGSTOP");
    stopped.resolve();
  });
  try {
    const running = begin(job, verb);
    await Promise.race([
      stopped.promise,
      running.ended.then(({ text }) =>
        Promise.reject(new TooLateError(`it ended before the moment: ${text}`)),
      ),
    ]);
    return running;
  } finally {
    watcher.close();
  }
}

function commandOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
