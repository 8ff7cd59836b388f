import { spawn } from "node:child_process";
import { once } from "node:events";
import { UserError } from "../schema/errors.ts";

/**
 * Runs `work` while holding a lock on `file`, across processes. The kernel holds it for a child that ends with its
 * standard input, so it is free again however this process dies.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, waitSeconds = 120): Promise<T> {
  const holder = spawn("flock", ["--timeout", String(waitSeconds), file, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exit = once(holder, "exit");
  const held = await Promise.race([once(holder.stdout, "data").then(() => true), exit.then(() => false)]);
  if (!held) {
    throw new UserError(
      `Another process has held ${file} for ${waitSeconds} s.`,
      `Wait for it, or end it: fuser -v ${file}`,
    );
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await exit;
  }
}
