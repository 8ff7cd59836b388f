import type { Host } from "../../sandbox/lab.ts";

/** One pull, or what stands in its place. */
export interface Sample {
  readonly seconds: number;
  /** Of all that runs at home for it; undefined where there is no home. */
  readonly homeCpuSeconds?: number;
  /** Of all of the VPS. */
  readonly vpsCpuSeconds: number;
  readonly toVps?: number;
  readonly fromVps?: number;
  /** Of our own process, without borg's. */
  readonly peakBytes?: number;
  /** Of `seconds`: the proof, which is due after a first pull. */
  readonly careSeconds?: number;
}

/** Who is measured. A `name` is a column of the tables. */
export interface Contender {
  readonly name: string;
  /** Forgets every backup, at home and on the VPS. */
  fresh(): Promise<void>;
  backUp(): Promise<Sample>;
}

/** By its cgroup, which every process there is in. */
export async function cpuSecondsOf(host: Host): Promise<number> {
  return Number(await host.run("awk '$1 == \"usage_usec\" { print $2 }' /sys/fs/cgroup/cpu.stat")) / 1e6;
}

/**
 * Runs a script on a host as a service of its own, so that it is in the host's cgroup, and takes its time there.
 * @returns seconds
 */
export async function timedOn(host: Host, script: string, timeoutSeconds = 7200): Promise<number> {
  await host.run("cat > /run/timed.sh", { stdin: script });
  const out = await host.run(
    `systemd-run --quiet --wait --collect --pipe -- sh -c '
       began=$(date +%s%N); sh -eu /run/timed.sh >/run/timed.out 2>&1 || { tail -c 2000 /run/timed.out; exit 1; }
       echo "took $began $(date +%s%N)"' || { echo; exit 1; }`,
    { timeoutSeconds },
  );
  const [, began, ended] = /took (\d+) (\d+)/.exec(out) ?? [];
  return (Number(ended) - Number(began)) / 1e9;
}
