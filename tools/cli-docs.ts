/** `node tools/cli-docs.ts`: writes docs/cli.md from the definitions that `borgpull --help` prints. */
import * as fs from "node:fs/promises";
import type { Command } from "commander";
import { borgpullProgram } from "../cli/program.ts";

/** The text of docs/cli.md: the help of every verb, under a heading of its own. */
export async function cliReference(): Promise<string> {
  const program = await borgpullProgram();
  const verbs = program.createHelp().visibleCommands(program);
  const own = verbs.filter((verb) => verb.name() !== "help");
  const parts = [
    "# The command line\n",
    "Made from what `borgpull --help` prints (`node_modules/.bin/node tools/cli-docs.ts`); a test compares the two.\n",
    fenced(helpOf(program)),
    ...own.flatMap((verb) => [`## borgpull ${verb.name()}\n`, fenced(helpOf(verb))]),
  ];
  return parts.join("\n");
}

/** What `--help` of a verb prints, 100 columns wide. */
export function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trim();
}

const fenced = (text: string) => `\`\`\`text\n${text}\n\`\`\`\n`;

if (import.meta.main) {
  await fs.writeFile(new URL("../docs/cli.md", import.meta.url), await cliReference());
}
