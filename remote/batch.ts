import { UserError } from "../schema/errors.ts";
import type { ExecResult } from "./connect.ts";
import type { Fact } from "./facts/fact.ts";
import { scriptText } from "./host.ts";
import { commandLine } from "./quote.ts";

interface Asked {
  readonly call: Fact<unknown>["call"];
  readonly resolve: (output: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

/** How long the first reader waits for others: the engine asks for a host's resources within a few milliseconds of each other. */
const gatherMilliseconds = 15;

/**
 * Lets facts that are asked for together travel together: one run of the shell for all of them. Nothing is kept: a fact asked for after
 * the run has begun is read anew.
 * @param shell runs a script given on stdin as root; throws ReachError when it cannot
 */
export function batcher(
  shell: (script: string) => Promise<ExecResult>,
  host: string,
): <T>(fact: Fact<T>) => Promise<T> {
  let waiting: Asked[] = [];
  const flush = async () => {
    const asked = waiting;
    waiting = [];
    const lines = [...new Set(asked.map(({ call }) => commandLine(["fact", ...call])))];
    try {
      const outputs = parseBatch(
        await shell(`${scriptText("facts")}\n${lines.join("\n")}\n`),
        lines.length,
        host,
      );
      for (const { call, resolve } of asked) {
        resolve(outputs[lines.indexOf(commandLine(["fact", ...call]))] as Buffer);
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  };
  return async <T>(fact: Fact<T>) => {
    const output = await new Promise<Buffer>((resolve, reject) => {
      if (waiting.push({ call: fact.call, resolve, reject }) === 1)
        setTimeout(() => void flush(), gatherMilliseconds);
    });
    return fact.parse(output);
  };
}

function parseBatch({ stdout, stderr, code }: ExecResult, count: number, host: string): readonly Buffer[] {
  const text = stdout.toString("latin1");
  const start = text.indexOf("borgpull-facts\n"); // a shell's start-up files may have printed before it
  const rows = text.slice(start + "borgpull-facts\n".length).split("\n");
  if (start < 0 || rows.length !== count + 1) {
    throw new UserError(
      `${host}: the shell did not run what it was given (exit ${code ?? "none"}: ${stderr.toString().trim().slice(0, 300) || "no output"}).`,
      "Log in by hand and check that the login has an ordinary shell, with base64 and stat.",
    );
  }
  return rows.slice(0, count).map((row) => Buffer.from(row, "base64"));
}
