import { spawn } from "node:child_process";
import { UserError } from "../schema/errors.ts";

export type Argv = readonly [program: string, ...args: string[]];

export interface CommandOptions {
  readonly stdin?: string;
  /** After this the child is killed and the call fails. */
  readonly timeoutSeconds?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its exit code. Throws when it is missing or takes too long. */
export function attempt(argv: Argv, options: CommandOptions = {}): Promise<Outcome> {
  const { stdin = "", timeoutSeconds = 60 } = options;
  const [program, ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...options.env } });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const limit = setTimeout(() => {
      child.kill("SIGKILL");
      // Something left behind may hold the pipes open for ever: "close" is not to be waited for.
      child.stdout.destroy();
      child.stderr.destroy();
      reject(new Error(`${argv.join(" ")}: no end after ${timeoutSeconds} s.\n${stderr}`));
    }, timeoutSeconds * 1000);
    child.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(limit);
      reject(error.code === "ENOENT" ? missing(program) : error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      resolve({ code, signal, stdout, stderr });
    });
    child.stdin.on("error", () => {}); // a child that does not read its input says so by its exit code
    child.stdin.end(stdin);
  });
}

/** Runs a program that is to succeed; its standard output. Throws with its standard error. */
export async function command(argv: Argv, options: CommandOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await attempt(argv, options);
  if (code === 0) return stdout;
  throw new Error(`${argv.join(" ")}: ended with ${code ?? signal}.\n${stderr || stdout}`.trimEnd());
}

const missing = (program: string) =>
  new UserError(`The sandbox needs ${program}, and it is not installed.`, "Run: sh tools/setup.sh");
