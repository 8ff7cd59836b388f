import { fileURLToPath } from "node:url";
import { attempt, type CommandOptions, type Outcome } from "../sandbox/command.ts";

/** The command that a person calls. */
export const program = fileURLToPath(new URL("../cli/borgpull", import.meta.url));

/** Runs `borgpull` with these words to its end, without a terminal. */
export const borgpull = (words: readonly string[], options: CommandOptions = {}): Promise<Outcome> =>
  attempt([program, ...words], { timeoutSeconds: 120, ...options });
