import { spawn } from "node:child_process";
import { batcher } from "./batch.ts";
import type { ExecResult } from "./connect.ts";
import { foresight } from "./foresight.ts";
import { type Host, type RunOptions, scriptText } from "./host.ts";

/** The machine this runs on, as the user this runs as: the twin of a VPS's connection. */
export function localHost(): Host {
  const shell = (argv: readonly string[], options: RunOptions) => spawned("/bin/sh", argv, options);
  const fact = batcher((script) => shell(["-s"], { stdin: script }), "home");
  const { lookAhead, foreseen, forget } = foresight(fact);
  return {
    name: "home",
    fact,
    foreseen,
    lookAhead,
    run: (script, args, options = {}) => {
      forget();
      return shell(["-c", scriptText(script), script, ...args], options);
    },
  };
}

function spawned(file: string, argv: readonly string[], options: RunOptions): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, argv, {
      stdio: "pipe",
      timeout: (options.timeoutSeconds ?? 120) * 1000,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (data: Buffer) => stdout.push(data));
    child.stderr.on("data", (data: Buffer) => stderr.push(data));
    child.stdin.on("error", () => {}); // a script may end before it reads all of its input
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code: code ?? undefined, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) }),
    );
    child.stdin.end(options.stdin);
  });
}
