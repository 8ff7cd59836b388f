import { Command } from "commander";
import { forward, type Ready } from "../pull/attended/forward.ts";
import { attended } from "../pull/attended.ts";
import { borgVersion } from "../pull/borg.ts";
import { readJobFile } from "../pull/job.ts";
import { type ArchiveRecord, openLedger } from "../pull/ledger.ts";
import { clean } from "../pull/lines.ts";
import { lockJob } from "../pull/lock.ts";
import { breachRemedy, describeBreach } from "../pull/trust/describe.ts";
import { UserError } from "../schema/errors.ts";
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
    .option("--write", "archives may be made and deleted there too; what is done so counts as yours")
    .addHelpText(
      "after",
      `
It logs in as the administrator. No pull begins meanwhile. Without --write nothing in the repository can be changed.
With it, whoever is root there can delete older archives: at its end it names those that came and went. What you did not do yourself,
"borgpull rollback web1 --to RUN" brings back until the next compact, which does not come by itself in the first week (care.compact).

Exit code: 0 ended by you, 2 the connection was lost, 3 something was found that waits for your decision.

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
  using _lock = lockJob(paths.lock(name), name, { by: "borgpull forward" });
  await borgVersion();
  using ledger = openLedger(paths.stateDb);
  using cancel = cancelling();
  const { signal } = cancel;
  const say = (text: string) => console.error(`${name}: ${text}`);
  const last = ledger.lastGood(name)?.run;
  const plan = write ? ({ where: "vps", what: "borgpull forward", rewritesLog: false } as const) : undefined;
  const work = async () => {
    const lost = await forward({
      job,
      state: paths.state,
      purpose: write ? "writing" : "reading",
      signal,
      onReady: (ready) => console.log(instructions(job, ready, write)),
      onEvent: say,
    });
    say(lost ? lost.problem : "closed.");
    if (write) say("looking at what was done ...");
    return lost;
  };
  const session = await attended({ job, ledger, signal, plan }, work).catch((error) => {
    if (!signal.aborted) throw error;
    throw new UserError(`${name}: cancelled before it was ready.`, "Run it again.");
  });
  const { result: lost, made, removed, breach } = session;
  if (write) say(`${changes("made", made)} ${changes("removed", removed)}`);
  if (last && removed.length > 0)
    say(`Was that not you? "borgpull rollback ${name} --to ${last}" undoes it.`);
  if (!write) ledger.note(name, "attended", "borgpull forward: read only");
  if (breach) say(`${describeBreach(breach)} ${breachRemedy(name)}`);
  if (breach) return exitCodes.tampered;
  return lost ? exitCodes.failed : exitCodes.good;
}

/** Such as "2 archives removed: a, b." A VPS may have given them any names. */
function changes(what: "made" | "removed", archives: readonly ArchiveRecord[]): string {
  if (archives.length === 0) return `No archive ${what}.`;
  const names = archives.map(({ name }) => clean(name, 100)).join(", ");
  return `${archives.length} archive${archives.length === 1 ? "" : "s"} ${what}: ${names}.`;
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
