/** The faults. Each returns when it has struck; `after` brings back what it took, once the run has ended. */
import { once } from "node:events";
import { processesOf } from "../e2e/processes.ts";
import type { Job, Running, Stage } from "./stage.ts";

export interface Fault {
  readonly name: string;
  /** Nothing more comes from the VPS: only a limit ends the run. */
  readonly silent?: boolean;
  readonly strike: (stage: Stage, job: Job, running: Running) => Promise<void>;
  readonly after?: (stage: Stage) => Promise<void>;
}

export const killBorgpull: Fault = {
  name: "borgpull killed",
  strike: async (_stage, job, { child }) => {
    child.kill("SIGKILL");
    await once(child, "exit");
    job.link.release();
  },
};

export const killServe: Fault = {
  name: "borg at home killed",
  strike: async (stage, job) => {
    killHomesBorg(stage);
    job.link.release();
  },
};

/** Whatever borg of home is at work. */
export function killHomesBorg(stage: Stage): void {
  const found = processesOf(stage.folder).filter(({ command }) => /\/borg( |$)/.test(command));
  if (found.length !== 1)
    throw new Error(`not one borg, but: ${found.map(({ command }) => command).join(", ")}`);
  for (const { pid } of found) process.kill(pid, "SIGKILL");
}

export const killFarBorg: Fault = {
  name: "borg on the VPS killed",
  strike: async ({ host }, job) => {
    await host.run("pkill -KILL -f '[b]org .*create'");
    job.link.release();
  },
};

export const powerCut: Fault = {
  name: "VPS's power cut",
  silent: true,
  strike: async ({ host }, job) => {
    await host.kill();
    job.link.release();
  },
  after: ({ host }) => host.start(),
};

export const cut: Fault = {
  name: "link cut",
  silent: true,
  strike: async (_stage, job) => job.link.cut(),
};

export const all: readonly Fault[] = [killBorgpull, killServe, killFarBorg, powerCut, cut];
