/** A process that gets the id of one that has ended, as it happens when ids go round: after 32768 of them, or after a reboot. */
import { spawn } from "node:child_process";
import type { Host } from "../../sandbox/lab.ts";
import { leaderOf } from "../../sandbox/machine.ts";
import { processes } from "../e2e/processes.ts";
import { waitFor } from "../e2e/pull-fixture.ts";

/** Sleeps, under the id that is asked for. In Python, because the process that says which id is next must be the one that forks. */
const program = `
import os, sys, time
wanted = int(sys.argv[1])
while True:
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(wanted - 1))
    child = os.fork()
    if child == 0:
        if os.getpid() != wanted:
            os._exit(0)
        os.execvp("sleep", ["sleep", "600"])
    if child == wanted:
        print("there", flush=True)
        os.waitpid(child, 0)
        break
    os.waitpid(child, 0)
`;

/** @param host whose ids are meant; this machine's without it */
export async function reuse(pid: number, host?: Host): Promise<Disposable> {
  const argv = ["python3", "-c", program, String(pid)];
  const inside = host ? ["nsenter", `--target=${leaderIn(host)}`, "--pid", "--", ...argv] : argv;
  const child = spawn(inside[0] as string, inside.slice(1), {
    env: { PATH: process.env.PATH }, // a search for what a test has left goes by the environment
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (data: Buffer) => {
    said += data;
  });
  await waitFor(`process ${pid}`, () => said.includes("there"));
  return {
    [Symbol.dispose]: () => {
      child.kill("SIGKILL");
      if (!host) process.kill(pid, "SIGKILL");
    },
  };
}

/** The first process of a host, by its number here. */
function leaderIn(host: Host): string {
  const nspawn = processes().find(({ command }) => command.includes(`--directory=${host.root} `));
  const leader = nspawn && leaderOf(nspawn.pid);
  if (!leader) throw new Error(`${host.name} has no first process`);
  return String(leader);
}
