import { once } from "node:events";
import { pulumi, type Stack } from "../../sandbox/demo/stack.ts";
import { type Costs, watch } from "./processes.ts";

export interface Ran extends Costs {
  readonly seconds: number;
  readonly code: number | null;
  readonly out: string;
}

/** Runs `pulumi` to its end and takes down what it costs. @throws when it does not end with 0 */
export async function run(
  stack: Stack,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const began = performance.now();
  const child = pulumi(stack, [...args, "--non-interactive", "--color=never"], { env });
  const end = () => void child.kill();
  process.once("exit", end);
  const parts: string[] = [];
  let errors = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => parts.push(text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const ended = once(child, "close") as Promise<[number | null]>;
  const costs = await watch(child.pid as number, ended);
  const [code] = await ended;
  process.off("exit", end);
  const seconds = (performance.now() - began) / 1000;
  const out = parts.join("");
  if (code !== 0)
    throw new Error(
      `pulumi ${args.join(" ")} ended with ${code}\n${out.slice(-8000)}\n${errors.slice(-4000)}`,
    );
  return { ...costs, seconds, code, out };
}
