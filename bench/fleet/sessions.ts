/** What a host's sshd has noted since it booted: LogLevel VERBOSE has a line for each session. */

import { inTurns } from "../../sandbox/in-turns.ts";
import type { Host } from "../../sandbox/lab.ts";

/** Means over all hosts. */
export interface Sessions {
  readonly connections: number;
  /** Commands, shells and subsystems. */
  readonly execs: number;
}

/** How many there were, of all hosts together. */
async function noted(hosts: readonly Host[]): Promise<Sessions> {
  const script = `log=$(journalctl --quiet --output=cat -t sshd -t sshd-session)
printf '%s\\n' "$log" | grep -c '^Accepted publickey ' || true
printf '%s\\n' "$log" | grep -c '^Starting session: ' || true`;
  const counts = await inTurns(hosts, async (host) =>
    (await host.run(script)).trim().split("\n").map(Number),
  );
  const sum = (index: number) => counts.reduce((all, count) => all + (count[index] ?? Number.NaN), 0);
  return { connections: sum(0), execs: sum(1) };
}

/** What the work had a host do, on average. */
export async function counted<T>(
  hosts: readonly Host[],
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly sessions: Sessions }> {
  const before = await noted(hosts);
  const result = await work();
  const after = await noted(hosts);
  const connections = (after.connections - before.connections) / hosts.length;
  return { result, sessions: { connections, execs: (after.execs - before.execs) / hosts.length } };
}
