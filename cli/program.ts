import { Command } from "commander";
import { version } from "../schema/version.ts";

/** Verb -> how it is loaded, in the order of the help. Each is a file, which brings what it needs: a verb does not wait for the others'. */
const verbs: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./run.ts")).runCommand(),
  list: async () => (await import("./list.ts")).listCommand(),
  status: async () => (await import("./status.ts")).statusCommand(),
  history: async () => (await import("./history.ts")).historyCommand(),
  report: async () => (await import("./report.ts")).reportCommand(),
  metrics: async () => (await import("./metrics.ts")).metricsCommand(),
  watch: async () => (await import("./watch.ts")).watchCommand(),
  restore: async () => (await import("./restore.ts")).restoreCommand(),
  mount: async () => (await import("./mount.ts")).mountCommand(),
  proof: async () => (await import("./proof.ts")).proofCommand(),
  rollback: async () => (await import("./rollback.ts")).rollbackCommand(),
  accept: async () => (await import("./accept.ts")).acceptCommand(),
  audit: async () => (await import("./audit.ts")).auditCommand(),
  check: async () => (await import("./check.ts")).checkCommand(),
  prune: async () => (await import("./prune.ts")).pruneCommand(),
  compact: async () => (await import("./compact.ts")).compactCommand(),
  borg: async () => (await import("./borg.ts")).borgCommandLine(),
  "export-key": async () => (await import("./export-key.ts")).exportKeyCommand(),
  forward: async () => (await import("./forward.ts")).forwardCommand(),
  passphrase: async () => (await import("./passphrase.ts")).passphraseCommand(),
  notify: async () => (await import("./notify.ts")).notifyCommand(),
  "host-key": async () => (await import("./host-key.ts")).hostKeyCommand(),
};

/**
 * The `borgpull` command with its verbs: help, shell completion and docs/cli.md all come from this.
 * @param word the first one of the command line; when that is a verb, the command has no other
 */
export async function borgpullProgram(word?: string): Promise<Command> {
  const program = new Command("borgpull")
    .description(
      "Pull-mode borg backups: the machine at home holds the repositories and starts every backup.",
    )
    .version(version, "-V, --version", "print the version of borgpull")
    .exitOverride();
  const only = word !== undefined && Object.hasOwn(verbs, word) ? verbs[word] : undefined;
  const load = only ? [only] : Object.values(verbs);
  for (const command of await Promise.all(load.map((verb) => verb()))) program.addCommand(command);
  if (!only) (await import("./completion.ts")).addCompletion(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}
