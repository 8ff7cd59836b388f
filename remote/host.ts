import * as fs from "node:fs";
import type { ExecResult } from "./connect.ts";
import type { Question } from "./facts/ahead.ts";
import type { Fact } from "./facts/fact.ts";

/** The scripts of templates/remote that change something; facts.sh is for reading. */
export type Script =
  | "write-file"
  | "remove-file"
  | "account"
  | "sshd"
  | "key-line"
  | "unit"
  | "run"
  | "forget-cache"
  | "attended"
  | "rename-cache"
  | "confine";

export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutSeconds?: number;
}

/** A machine on which things are read and changed as its administrator: a VPS over ssh, or the machine at home. */
export interface Host {
  /** For messages: host, [host]:port, or "home". */
  readonly name: string;
  /** Reads now; facts asked for together travel together. Throws ReachError when the machine cannot be read. */
  fact<T>(fact: Fact<T>): Promise<T>;
  /** Reads, or gives what `lookAhead` has read, to each reader once and as long as nothing was run since: for whoever only looks. */
  foreseen<T>(fact: Fact<T>, reader: string): Promise<T>;
  /** Has these questions answered along with the facts that are asked for now. */
  lookAhead(questions: readonly Question[]): void;
  /** Runs one of our scripts as root (at home: as the user). A non-zero exit is a result, not an error. */
  run(script: Script, args: readonly string[], options?: RunOptions): Promise<ExecResult>;
}

const folder = new URL("../templates/remote/", import.meta.url);

const read = (name: string): string => fs.readFileSync(new URL(`${name}.sh`, folder), "utf8");
const betweenPulls: readonly string[] = ["write-file", "remove-file", "sshd"] satisfies Script[];

/** The text of a script of templates/remote. */
export const scriptText = (name: Script | "facts"): string =>
  betweenPulls.includes(name) ? read("between-pulls") + read(name) : read(name);
