/** What a group of processes uses while it runs, looked at twice a second. */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { processesIn } from "../../sandbox/cgroup.ts";
import { cpuSeconds } from "./measure.ts";

export interface Glance {
  readonly seconds: number;
  /** Spent until now, user and system, by home's processes; by the VPSes'. */
  readonly homeCpuSeconds: number;
  readonly hostCpuSeconds: number;
  /** Proportional set size: what processes share is counted once. */
  readonly nodeBytes: number;
  readonly borgBytes: number;
  readonly borgs: number;
  /** Given to the disk until now, by processes that have ended too. */
  readonly writtenBytes: number;
}

const everyMilliseconds = 500;

/** @param group the cgroup that they are in */
export async function watch(
  group: string,
  hostCpuSeconds: () => number,
  ended: Promise<unknown>,
): Promise<readonly Glance[]> {
  const began = performance.now();
  const hostsBefore = hostCpuSeconds();
  const glances: Glance[] = [];
  let written = 0;
  for (let over = false; !over; ) {
    over = await Promise.race([ended.then(() => true), pause(everyMilliseconds, false)]);
    const processes = [...processesIn(group)].map(processOf);
    const sum = (of: (one: Process) => number, which = (_: Process) => true) =>
      processes.filter(which).reduce((all, one) => all + of(one), 0);
    // Who has been waited for is in its parent's sum: only in the moment between may it be less than before.
    written = Math.max(
      written,
      sum((one) => one.writtenBytes),
    );
    glances.push({
      seconds: (performance.now() - began) / 1000,
      homeCpuSeconds: cpuSeconds(group),
      hostCpuSeconds: hostCpuSeconds() - hostsBefore,
      nodeBytes: sum(
        (one) => one.bytes,
        (one) => !one.isBorg,
      ),
      borgBytes: sum(
        (one) => one.bytes,
        (one) => one.isBorg,
      ),
      borgs: processes.filter(({ isBorg }) => isBorg).length,
      writtenBytes: written,
    });
  }
  return glances;
}

interface Process {
  readonly isBorg: boolean;
  readonly bytes: number;
  readonly writtenBytes: number;
}

function processOf(pid: number): Process {
  const read = (name: string) => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, "utf8");
    } catch {
      return ""; // it has ended
    }
  };
  const field = (name: string, pattern: RegExp) => Number(pattern.exec(read(name))?.[1] ?? 0);
  return {
    isBorg: /(^|\/)borg\0/.test(read("cmdline")),
    bytes: field("smaps_rollup", /^Pss: +(\d+) kB$/m) * 1024,
    writtenBytes: field("io", /^write_bytes: (\d+)$/m),
  };
}
