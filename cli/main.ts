/** The `borgpull` command: one verb a file. */
import { Command, CommanderError } from "commander";
import { TamperedError } from "../pull/trust/gate.ts";
import { describe, UserError } from "../schema/errors.ts";
import { acceptCommand } from "./accept.ts";
import { auditCommand } from "./audit.ts";
import { compactCommand } from "./compact.ts";
import { exitCodes } from "./exit-code.ts";
import { hostKeyCommand } from "./host-key.ts";
import { listCommand } from "./list.ts";
import { pruneCommand } from "./prune.ts";
import { rollbackCommand } from "./rollback.ts";
import { runCommand } from "./run.ts";

const program = new Command("borgpull")
  .description("Pull-mode borg backups: the machine at home holds the repositories and starts every backup.")
  .exitOverride()
  .addCommand(runCommand())
  .addCommand(listCommand())
  .addCommand(rollbackCommand())
  .addCommand(acceptCommand())
  .addCommand(auditCommand())
  .addCommand(pruneCommand())
  .addCommand(compactCommand())
  .addCommand(hostKeyCommand());
for (const command of program.commands) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = failed(error);
}

function failed(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.good : exitCodes.usage;
  console.error(describe(error));
  if (error instanceof TamperedError) return exitCodes.tampered;
  return error instanceof UserError ? exitCodes.failed : exitCodes.bug;
}
