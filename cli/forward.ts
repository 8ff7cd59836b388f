import { Command } from "commander";
import { forward, type Ready } from "../pull/attended/forward.ts";
import { attended } from "../pull/attended.ts";
import { borgVersion } from "../pull/borg.ts";
import { readJobFile } from "../pull/job.ts";
import { openLedger } from "../pull/ledger.ts";
import { lockJob } from "../pull/lock.ts";
import { breachRemedy, describeBreach } from "../pull/trust/describe.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { endpoint } from "../schema/target.ts";
import { cancelling } from "./cancel.ts";
import { exitCodes } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";

/** `borgpull forward JOB`: the repository, to be used by hand on the VPS until Ctrl-C. */
export function forwardCommand(): Command {
  return new Command("forward")
    .description("hold a job's repository open for root on its VPS, to use borg there by hand until Ctrl-C")
    .argument("<job>", "name of a job, as in the config")
    .option("--write", "archives may be made and deleted there too; what is done so is your own")
    .addHelpText(
      "after",
      `
It logs in as the administrator. No pull begins meanwhile. Without --write nothing in the repository can be changed.
With it, root there may delete older archives without an alarm; until the next compact "borgpull rollback" brings them back.

Examples:
  borgpull forward web1            then, on web1 as root, what it prints
  borgpull forward web1 --write`,
    )
    .action(async (name: string, { write = false }: { readonly write?: boolean }) => {
      process.exitCode = await forwardOne(name, write);
    });
}

async function forwardOne(name: string, write: boolean): Promise<number> {
  const job = readJobFile(jobFileOf(name));
  const paths = homePaths();
  using _lock = lockJob(paths.lock(name), name);
  await borgVersion();
  using ledger = openLedger(paths.stateDb);
  using cancel = cancelling();
  const { signal } = cancel;
  const plan = write ? ({ where: "vps", what: "borgpull forward", rewritesLog: false } as const) : undefined;
  const { made, removed, breach } = await attended({ job, ledger, signal, plan }, () =>
    forward({
      job,
      state: paths.state,
      purpose: write ? "writing" : "reading",
      signal,
      onReady: (ready) => console.log(instructions(job, ready, write)),
      onEvent: (text) => console.error(`${name}: ${text}`),
    }),
  );
  if (!write) ledger.note(name, "attended", "borgpull forward: read only");
  console.error(`${name}: closed. ${made} archive(s) made, ${removed} removed.`);
  if (!breach) return exitCodes.good;
  console.error(`${describeBreach(breach)} ${breachRemedy(name)}`);
  return exitCodes.tampered;
}

const instructions = ({ job, admin }: JobFile, { env, exports }: Ready, write: boolean): string =>
  [
    `${job}: ready, ${write ? "to read and write" : "to read"}. On ${endpoint(admin)}, as root:`,
    "",
    `  . ${env}`,
    "  borg list",
    "",
    "That file is:",
    ...exports.map((line) => `  ${line}`),
    "",
    "Ctrl-C here ends it.",
  ].join("\n");
