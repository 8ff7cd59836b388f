import * as readline from "node:readline";
import { Writable } from "node:stream";
import { Command } from "commander";
import { borgVersion } from "../pull/borg.ts";
import { readJobFile } from "../pull/job.ts";
import { openLedger } from "../pull/ledger.ts";
import { lockJob } from "../pull/lock.ts";
import { readPassphrase } from "../pull/passphrase.ts";
import { changePassphrase, newPassphrase, resumePassphrase } from "../pull/passphrase-change.ts";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { jobFileOf } from "./job.ts";
import { statusLine } from "./status-line.ts";

interface Options {
  readonly fromFile?: string;
  readonly type?: boolean;
}

/** `borgpull passphrase JOB`: another passphrase for the key of a job's repository. */
export function passphraseCommand(): Command {
  return new Command("passphrase")
    .description(
      "give the key of a job's repository another passphrase: 256 random bits, unless you say which",
    )
    .argument("<job>", "name of a job, as in the config")
    .option("--from-file <file>", "take the new one from a file of one line")
    .option("--type", "ask for the new one on the terminal, twice")
    .addHelpText(
      "after",
      `
Nothing is done on the VPS, and pulls go on. The old passphrase is kept beside the new one.
It does not lock out who has had the old passphrase together with the key: the data is encrypted by the same key as before.
Cut off in its middle, it goes on when run again.

Examples:
  borgpull passphrase web1
  borgpull passphrase web1 --type`,
    )
    .action(changeOne);
}

async function changeOne(name: string, { fromFile, type = false }: Options, command: Command): Promise<void> {
  if (fromFile !== undefined && type) command.error("error: give --from-file or --type, not both");
  const job = readJobFile(jobFileOf(name));
  const paths = homePaths();
  // Before the lock: nobody waits for a person who is thinking of one.
  const asked = fromFile !== undefined ? readPassphrase(fromFile) : type ? await askTwice(name) : undefined;
  using _lock = lockJob(paths.lock(name), name, { by: "borgpull passphrase", brief: true });
  await borgVersion();
  using ledger = openLedger(paths.stateDb);
  const line = statusLine();
  const onStep = (step: string) => line.show(`${name}: ${step}`);
  try {
    const resumed = await resumePassphrase({ job, ledger, onStep });
    if (resumed) {
      line.clear();
      console.log(`${name}: the change that was begun before is done.`);
      const asAsked = asked === undefined || asked === readPassphrase(job.passphraseFile);
      if (asAsked) return console.log(advice(job, resumed.old));
    }
    const { old } = await changePassphrase({ job, ledger, passphrase: asked ?? newPassphrase(), onStep });
    line.clear();
    console.log(`${name}: the passphrase is changed.`);
    console.log(advice(job, old));
  } finally {
    line.clear();
  }
}

const advice = ({ job, passphraseFile }: JobFile, old: string): string =>
  [
    `  new  ${passphraseFile}: copy it to where you keep it, and run "borgpull export-key ${job}" anew`,
    `  old  ${old}: it opens the copies of the key from before, and nothing newer. Remove it once you need none of these.`,
  ].join("\n");

/** Two lines of the terminal, which it does not show. */
async function askTwice(job: string): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new UserError("There is no terminal to type a passphrase on.", "Give --from-file.");
  }
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = readline.createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const lines = terminal[Symbol.asyncIterator](); // which keeps what is typed before it is asked for
  terminal.on("SIGINT", () => terminal.close());
  const ask = async (question: string): Promise<string> => {
    process.stderr.write(question);
    const { value, done } = (await lines.next()) as { value?: string; done?: boolean };
    process.stderr.write("\n");
    if (!done && value !== undefined) return value;
    throw new UserError("No passphrase was typed.", "Nothing was changed.");
  };
  try {
    const first = await ask(`New passphrase of ${job}: `);
    if ((await ask("Once more: ")) === first) return first;
    throw new UserError("The two are not the same.", "Nothing was changed; run it again.");
  } finally {
    terminal.close();
  }
}
