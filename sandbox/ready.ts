import * as fs from "node:fs/promises";
import * as net from "node:net";
import { attempt } from "./command.ts";
import { hasEnded, inside, leaderOf, type Machine, supervisorOf, until } from "./machine.ts";

const limitSeconds = 90;

/**
 * Waits until sshd greets and systemd has come up: before that pam_nologin turns users away.
 * Throws with the end of the console's log.
 */
export async function waitUntilReady(machine: Machine, address: string): Promise<void> {
  let ended = false;
  const greeted = await until(async () => {
    if (await greets(address, 22)) return true;
    ended = hasEnded(machine);
    return ended;
  }, limitSeconds);
  if (ended) throw await notReady(machine, "ended while it booted");
  if (!greeted)
    throw await notReady(machine, `has no sshd that answers on ${address} after ${limitSeconds} s`);
  const supervisor = supervisorOf(machine);
  const leader = supervisor === undefined ? undefined : leaderOf(supervisor);
  if (leader === undefined) throw await notReady(machine, "ended while it booted");
  const state = await attempt(inside(leader, "systemctl is-system-running --wait", limitSeconds), {
    timeoutSeconds: limitSeconds + 5,
  });
  // A unit that failed may be what a test is about.
  if (["running", "degraded"].includes(state.stdout.trim())) return;
  throw await notReady(machine, `is "${(state.stdout || state.stderr).trim()}" after boot`);
}

/** Whether an ssh server is there and greets. */
function greets(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => settle(false));
    socket.on("error", () => settle(false)).on("close", () => settle(false));
    socket.once("data", (data) => settle(data.toString("latin1").startsWith("SSH-")));
  });
}

async function notReady(machine: Machine, what: string): Promise<Error> {
  const log = await fs.readFile(machine.consoleLog, "utf8").catch(() => "");
  const tail = log.trimEnd().split("\n").slice(-15).join("\n");
  return new Error(`Sandbox host ${machine.hostname} ${what}.\nEnd of ${machine.consoleLog}:\n${tail}`);
}
