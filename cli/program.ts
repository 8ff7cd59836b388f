import { Command } from "commander";
import { acceptCommand } from "./accept.ts";
import { auditCommand } from "./audit.ts";
import { compactCommand } from "./compact.ts";
import { addCompletion } from "./completion.ts";
import { hostKeyCommand } from "./host-key.ts";
import { listCommand } from "./list.ts";
import { pruneCommand } from "./prune.ts";
import { rollbackCommand } from "./rollback.ts";
import { runCommand } from "./run.ts";

/** The `borgpull` command with its verbs: help, shell completion and docs/cli.md all come from this. */
export function borgpullProgram(): Command {
  const program = new Command("borgpull")
    .description(
      "Pull-mode borg backups: the machine at home holds the repositories and starts every backup.",
    )
    .exitOverride()
    .addCommand(runCommand())
    .addCommand(listCommand())
    .addCommand(rollbackCommand())
    .addCommand(acceptCommand())
    .addCommand(auditCommand())
    .addCommand(pruneCommand())
    .addCommand(compactCommand())
    .addCommand(hostKeyCommand());
  addCompletion(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}
