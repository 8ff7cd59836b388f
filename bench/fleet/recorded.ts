/** What a preview has a host do, heard on the host itself: whatever our program does, the floor does that and no more. */

import { inTurns } from "../../sandbox/in-turns.ts";
import type { Host } from "../../sandbox/lab.ts";
import type { Target } from "../../schema/target.ts";
import type { Place } from "./machine.ts";

/** What floor.ts does: this script, by one exec on one connection. */
export interface Reading {
  readonly target: Target;
  readonly script: string;
  /** Lines of the answer, after its heading. */
  readonly facts: number;
}

const recorder = `mkdir -p /run/bench
cat > /run/bench/record <<'EOF'
#!/bin/sh
at=$(mktemp /run/bench/exec-XXXXXX)
tee "$at" | sh -c "$SSH_ORIGINAL_COMMAND"
EOF
chmod 755 /run/bench/record
echo 'ForceCommand /run/bench/record' > /etc/ssh/sshd_config.d/11-bench.conf
systemctl restart ssh`;
const off = "rm -rf /etc/ssh/sshd_config.d/11-bench.conf /run/bench; systemctl restart ssh";

/**
 * The facts that the work asks of each host, each once, as one script.
 * @param work a preview; whatever it sends to a shell's standard input is noted
 */
export async function recorded(
  hosts: readonly Host[],
  places: readonly Place[],
  work: () => Promise<unknown>,
): Promise<readonly Reading[]> {
  await inTurns(hosts, (host) => host.run(recorder));
  await work();
  const scripts = await inTurns(hosts, (host) => host.run("cat /run/bench/exec-*"));
  await inTurns(hosts, (host) => host.run(off));
  return scripts.map((text, index) => {
    const lines = text.split("\n");
    const isCall = (line: string) => line.startsWith("fact ");
    const head = lines.slice(0, lines.findIndex(isCall));
    const calls = [...new Set(lines.filter(isCall))];
    if (calls.length === 0) throw new Error("A preview asks for no facts that could be recognized.");
    const { target } = places[index] as Place;
    return { target, script: `${[...head, ...calls].join("\n")}\n`, facts: calls.length };
  });
}
