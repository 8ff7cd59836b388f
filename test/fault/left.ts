/** What a fault may leave behind, on either side. */
import { isBorg, lockHolders } from "../../pull/borg/lock.ts";
import { JobBusyError, lockJob } from "../../pull/lock.ts";
import type { Host } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { processesOf } from "../e2e/processes.ts";
import { waitFor } from "../e2e/pull-fixture.ts";
import type { Job, Stage } from "./stage.ts";

/** Processes, sockets and locks of a stage that are there now, a line each. Files that nobody holds or listens on are none. */
export async function left(stage: Stage, jobs: readonly Job[]): Promise<readonly string[]> {
  const locks = jobs.flatMap(({ name, repository }) => [
    ...lockHolders(repository)
      .filter(({ pid }) => isBorg(pid))
      .map(({ pid }) => `lock of ${name} in the repository, of process ${pid}`),
    ...(isFree(name) ? [] : [`lock of job ${name}`]),
  ]);
  const home = processesOf(stage.folder)
    .filter(({ command }) => !command.startsWith("systemd-nspawn ")) // the VPS itself
    .map(({ pid, command }) => `home: ${pid} ${command}`);
  return [...home, ...locks, ...(await onHost(stage.host))];
}

async function onHost(host: Host): Promise<readonly string[]> {
  if (!host.running) return ["the VPS is down"];
  const text = await host.run(
    `ps -eo pid=,args= | grep -E 'local/lib/borgpull|borg .*create|/run/borgpull/' | grep -v grep || :
     for file in $(find /run/borgpull -mindepth 1); do ! grep -qF " $file" /proc/net/unix || echo "$file"; done
     for lock in /run/borgpull.lock /etc/borgpull/jobs/*.conf; do flock -n -x "$lock" true || echo "held: $lock"; done`,
  );
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => `VPS: ${line.trim()}`);
}

function isFree(job: string): boolean {
  try {
    lockJob(homePaths().lock(job), job)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof JobBusyError) return false;
    throw error;
  }
}

/** Waits until nothing is left; says what is when it lasts longer. */
export async function clean(stage: Stage, jobs: readonly Job[], withinSeconds: number): Promise<void> {
  let lines: readonly string[] = [];
  const gone = async () => {
    lines = await left(stage, jobs);
    return lines.length === 0;
  };
  await waitFor("the end of everything", gone, withinSeconds).catch((error: Error) => {
    throw new Error(`${error.message}; left:\n${lines.join("\n")}`);
  });
}

/** Sockets that nobody listens on: sshd never removes one. Made older than the minute that a run leaves them. */
export async function deadSockets({ host }: Stage): Promise<readonly string[]> {
  const files = await host.run(
    "find /run/borgpull -mindepth 1 -exec touch -h -d '2 minutes ago' {} + -print",
  );
  return files.split("\n").filter(Boolean);
}
