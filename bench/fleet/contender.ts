import type { Argv } from "../../sandbox/command.ts";

/** What a tool says of the hosts, by its output and exit code. */
export type Verdict = "unchanged" | "changed";

/** A command as a person would type it. */
export interface Command {
  readonly argv: Argv;
  readonly cwd: string;
  readonly env?: Readonly<NodeJS.ProcessEnv>;
}

export interface Ended {
  readonly code: number | null;
  /** Standard output and error as they came. */
  readonly output: string;
}

/** A tool, or a floor, that looks at all hosts and changes nothing. */
export interface Contender {
  readonly name: string;
  /** What a reader of the tables has to know. */
  readonly what: string;
  /** Made anew for each run, so that nothing of the one before is left: it begins cold. */
  command(): Command;
  /** Throws with the output when it did not work. */
  verdict(ended: Ended): Verdict;
  /** Whether it looks at the host's files at all; a floor that only logs in can find no drift. */
  readonly seesDrift: boolean;
}

/** For what has no opinion: it worked or not. */
export function worked({ code, output }: Ended): Verdict {
  if (code === 0) return "unchanged";
  throw new Error(`ended with ${code}:\n${output.slice(-4000)}`);
}
