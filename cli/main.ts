/** The `borgpull` command: program.ts has its verbs, one a file. */
import { CommanderError } from "commander";
import { describe, UserError } from "../schema/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { borgpullProgram } from "./program.ts";

// Who reads may go away, as head does, or a terminal that is closed: what is under way comes to its end all the same.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

try {
  await (await borgpullProgram(process.argv[2])).parseAsync();
} catch (error) {
  process.exitCode = await failed(error);
}

async function failed(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.good : exitCodes.usage;
  console.error(describe(error));
  const { TamperedError } = await import("../pull/trust/gate.ts"); // much comes with it, and seldom is it needed
  if (error instanceof TamperedError) return exitCodes.tampered;
  return error instanceof UserError ? exitCodes.failed : exitCodes.bug;
}
