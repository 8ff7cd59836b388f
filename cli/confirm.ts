import * as readline from "node:readline/promises";
import type { Command } from "commander";

/**
 * Shows what would be done, and asks on the terminal for the job's name, which nobody types by accident.
 * @param yes given on the command line: nothing is asked
 */
export function confirmation(
  command: Command,
  job: string,
  yes: boolean,
): (preview: string) => Promise<boolean> {
  return async (preview) => {
    console.log(preview);
    if (yes) return true;
    if (process.stdin.isTTY) return ask(job);
    return command.error(
      "\nNothing was changed: there is no terminal to ask on. Give --yes to go on without a question.",
    );
  };
}

async function ask(job: string): Promise<boolean> {
  const terminal = readline.createInterface({ input: process.stdin, output: process.stdout });
  const closed = new Promise<undefined>((resolve) => terminal.once("close", () => resolve(undefined))); // Ctrl-C, Ctrl-D
  try {
    const question = terminal.question(`\nType the job's name to go on (${job}): `);
    return (await Promise.race([question, closed]))?.trim() === job;
  } finally {
    terminal.close();
  }
}
