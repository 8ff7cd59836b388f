import { Command } from "commander";
import { version } from "../schema/version.ts";
import { acceptCommand } from "./accept.ts";
import { auditCommand } from "./audit.ts";
import { borgCommandLine } from "./borg.ts";
import { checkCommand } from "./check.ts";
import { compactCommand } from "./compact.ts";
import { addCompletion } from "./completion.ts";
import { exportKeyCommand } from "./export-key.ts";
import { forwardCommand } from "./forward.ts";
import { historyCommand } from "./history.ts";
import { hostKeyCommand } from "./host-key.ts";
import { listCommand } from "./list.ts";
import { metricsCommand } from "./metrics.ts";
import { mountCommand } from "./mount.ts";
import { notifyCommand } from "./notify.ts";
import { passphraseCommand } from "./passphrase.ts";
import { proofCommand } from "./proof.ts";
import { pruneCommand } from "./prune.ts";
import { reportCommand } from "./report.ts";
import { restoreCommand } from "./restore.ts";
import { rollbackCommand } from "./rollback.ts";
import { runCommand } from "./run.ts";
import { statusCommand } from "./status.ts";
import { watchCommand } from "./watch.ts";

/** The `borgpull` command with its verbs: help, shell completion and docs/cli.md all come from this. */
export function borgpullProgram(): Command {
  const program = new Command("borgpull")
    .description(
      "Pull-mode borg backups: the machine at home holds the repositories and starts every backup.",
    )
    .version(version, "-V, --version", "print the version of borgpull")
    .exitOverride()
    .addCommand(runCommand())
    .addCommand(listCommand())
    .addCommand(statusCommand())
    .addCommand(historyCommand())
    .addCommand(reportCommand())
    .addCommand(metricsCommand())
    .addCommand(watchCommand())
    .addCommand(restoreCommand())
    .addCommand(mountCommand())
    .addCommand(proofCommand())
    .addCommand(rollbackCommand())
    .addCommand(acceptCommand())
    .addCommand(auditCommand())
    .addCommand(checkCommand())
    .addCommand(pruneCommand())
    .addCommand(compactCommand())
    .addCommand(borgCommandLine())
    .addCommand(exportKeyCommand())
    .addCommand(forwardCommand())
    .addCommand(passphraseCommand())
    .addCommand(notifyCommand())
    .addCommand(hostKeyCommand());
  addCompletion(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}
