import { Command } from "commander";
import { readJobFile } from "../pull/job.ts";
import { exportKey, recordExport, writeKey } from "../pull/key-export.ts";
import { openLedger } from "../pull/ledger.ts";
import { UserError } from "../schema/errors.ts";
import { homePaths } from "../schema/paths.ts";
import { jobFileOf } from "./job.ts";

/** Nothing is recorded of a key that nobody took. */
const print = (text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (!error) return resolve();
      const { code } = error as NodeJS.ErrnoException;
      reject(
        new UserError(`The key could not be written to standard output (${code}).`, "Nothing is recorded."),
      );
    });
  });

interface Options {
  readonly to?: string;
  readonly paper?: boolean;
  readonly withPassphrase?: boolean;
}

/** `borgpull export-key JOB`: the repository's key, to be kept elsewhere. */
export function exportKeyCommand(): Command {
  return new Command("export-key")
    .description("write out the key of a job's repository, to be kept elsewhere than the repository")
    .argument("<job>", "name of a job, as in the config")
    .option("--to <file>", "into a new file, 0600 (default: standard output)")
    .option("--paper", "as lines with check sums, to be printed and typed in again")
    .option("--with-passphrase", "on paper, the passphrase too: whoever has both reads the backup")
    .addHelpText(
      "after",
      `
The key is in the repository and encrypted by the passphrase. Whoever reads the backup needs both.
Back into a repository it comes with: borg key import [--paper] REPOSITORY FILE

Examples:
  borgpull export-key web1 --to /media/stick/web1.key
  borgpull export-key web1 --paper | lpr`,
    )
    .action(async (name: string, options: Options, command: Command) => {
      const { to, paper = false, withPassphrase = false } = options;
      if (withPassphrase && !paper) command.error("error: --with-passphrase goes with --paper");
      const job = readJobFile(jobFileOf(name));
      const key = await exportKey(job, { form: paper ? "paper" : "file", withPassphrase });
      if (to === undefined) await print(key.text);
      else writeKey(to, key.text);
      using ledger = openLedger(homePaths().stateDb);
      recordExport(ledger, name, key.digest);
      console.error(`${name}: ${whatItIs(to, withPassphrase ? undefined : job.passphraseFile)}`);
    });
}

/** @param passphraseFile undefined: what was written has the passphrase in it */
function whatItIs(to: string | undefined, passphraseFile: string | undefined): string {
  const key = to === undefined ? "this is" : `${to} has`;
  return passphraseFile === undefined
    ? `${key} the key and its passphrase: it belongs where neither this machine nor the VPS is.`
    : `${key} the key without its passphrase, which is in ${passphraseFile}: copies of both belong where neither this machine nor the VPS is.`;
}
