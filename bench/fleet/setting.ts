import type { Contender } from "./contender.ts";
import type { Machines } from "./machine.ts";
import { type Cost, measure } from "./measure.ts";
import type { BenchStack } from "./pulumi.ts";
import type { Facts } from "./texts.ts";

/** What every part of the bench works with. */
export interface Setting {
  readonly machines: Machines;
  /** Ours, in place on all hosts. */
  readonly stack: BenchStack;
  /** For what the tools are given. */
  readonly folder: string;
  readonly facts: Facts;
  /** Where the Python tools are. */
  readonly bin: string;
  /** Whether a person has asked for this one. */
  readonly isWanted: (one: { readonly name: string }) => boolean;
  readonly say: (line: string) => void;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}

/** An `up` or a preview of what is in place already does not pull. */
export const noPull = { BORGPULL_PULL: "never" };

/** One run of a contender. Throws with its output when it sees a change where none is. */
export async function runUnchanged({ machines, signal }: Setting, contender: Contender): Promise<Cost> {
  signal.throwIfAborted();
  const ended = await measure(machines, contender.command());
  if (contender.verdict(ended) === "unchanged") return ended.cost;
  throw new Error(`${contender.name} sees a change where none is:\n${ended.output.slice(-4000)}`);
}

export const told = ({ wallSeconds, toolCpuSeconds, hostCpuSeconds }: Cost): string =>
  `${wallSeconds.toFixed(2)} s, CPU ${toolCpuSeconds.toFixed(2)} s and ${hostCpuSeconds.toFixed(2)} s on the hosts`;
