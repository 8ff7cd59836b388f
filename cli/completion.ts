import * as fs from "node:fs";
import * as path from "node:path";
import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import { homePaths } from "../schema/paths.ts";

/**
 * Adds `borgpull completion SHELL`, which prints the script for that shell, and the hidden `borgpull complete`, which such a script asks.
 * Verbs, options and their choices come from the program's own definitions, names of jobs from home's job files.
 */
export function addCompletion(program: Command): void {
  const completions = tab(program, { completionCommandName: "completion" });
  for (const { arguments: words } of completions.commands.values()) {
    const job = words.get("job");
    if (job) job.handler = (complete) => jobNames().forEach((name) => void complete(name, ""));
  }
  program.commands
    .find((command) => command.name() === "completion")
    ?.description("print a script that completes verbs, options and jobs in a shell")
    .addHelpText("after", examples);
}

/** Home's jobs; none where there is no home, or one that this user may not read: completion says nothing about errors. */
function jobNames(): readonly string[] {
  try {
    const files = fs.readdirSync(path.dirname(homePaths().jobFile("any")));
    return files.filter((file) => file.endsWith(".json")).map((file) => path.basename(file, ".json"));
  } catch {
    return [];
  }
}

const examples = `
The shell must find borgpull by that name: ln -s "$PWD/cli/borgpull" ~/.local/bin/borgpull

Examples:
  borgpull completion bash > ~/.local/share/bash-completion/completions/borgpull
  borgpull completion fish > ~/.config/fish/completions/borgpull.fish
  echo 'source <(borgpull completion zsh)' >> ~/.zshrc`;
