import * as path from "node:path";
import { Command } from "commander";
import type { Item } from "../pull/borg/contents.ts";
import { readJobFile } from "../pull/job.ts";
import { clean } from "../pull/lines.ts";
import { bytes, count, percent } from "../pull/quantities.ts";
import { type Destination, findArchive, type Plan, planRestore, restore } from "../pull/restore.ts";
import { UserError } from "../schema/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";
import { statusLine } from "./status-line.ts";
import { describeArchive, requireTrust, warnOfBreach } from "./trusted.ts";
import { type Open, withJob } from "./with-job.ts";

interface Options {
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly overwrite?: boolean;
  readonly untrusted?: boolean;
  readonly numericIds?: boolean;
}

/** `borgpull restore JOB [ARCHIVE] [PATH...] --to DIR`: files back, to this machine or to a VPS. */
export function restoreCommand(): Command {
  return new Command("restore")
    .description("get files back from a job's archive, into a folder of this machine or of a VPS")
    .argument("<job>", "name of a job, as in the config")
    .argument(
      "[archive]",
      "latest, a date (2026-11-22, 2026-11-22T14:00), or the beginning of a name",
      "latest",
    )
    .argument("[paths...]", "files and folders, as they were on the VPS (default: all of it)")
    .option("--to <dir>", "a folder that is absent or empty: of this machine, or JOB:/FOLDER on a job's VPS")
    .option("--dry-run", "only list what would come")
    .option("--overwrite", "the folder may have files in it; what is in the way is replaced")
    .option("--untrusted", "take an archive that home does not trust")
    .option("--numeric-ids", "owners by number, not by name")
    .addHelpText("after", help)
    .action(async (job: string, first: string, others: string[], options: Options, command: Command) => {
      if (options.to === undefined && !options.dryRun)
        command.error("Say where to: --to DIR, or --to JOB:/DIR.");
      // No archive's name has a slash in it.
      const request = first.includes("/")
        ? { archive: "latest", paths: [first, ...others] }
        : { archive: first, paths: others };
      await restoreOne(job, { ...request, options });
    });
}

const help = `
A date means the newest good archive whose run began by then, a day its end, by this machine's clock.
Without an archive, paths that have a slash in them are of the latest one. What they lie in is made for
root alone (mode 700) where it is not restored itself.

Examples:
  borgpull restore web1 --to /root/web1
  borgpull restore web1 /etc/nginx /var/www --to /root/web1
  borgpull restore web1 2026-11-22 /etc --to web1:/root/restore
  borgpull restore web1 latest /home --dry-run

JOB:/FOLDER is reached over the administrator's login. That VPS is given the passphrase of the archive's
job, and can read all of that job's archives meanwhile, but change nothing: another VPS should be one that
you trust with them. Owners, modes, times, links, extended attributes and ACLs come back as they were, and
so do set-user-ID bits and device nodes. borg can write to that folder alone, whatever links the archive
holds. Pulls of the job do not begin before it has ended.

Exit code 1: there were warnings.`;

interface Request {
  readonly archive: string;
  readonly paths: readonly string[];
  readonly options: Options;
}

async function restoreOne(name: string, { archive: wanted, paths, options }: Request): Promise<void> {
  const to = options.to === undefined ? undefined : destination(options.to);
  const work = async ({ job, ledger, signal }: Open) => {
    const line = statusLine();
    try {
      line.show(`${name}: looking for the archive`);
      const archive = await findArchive({ job, ledger, signal }, wanted);
      line.say(`${name}: ${describeArchive(archive)}`);
      warnOfBreach(name, ledger, line.say);
      requireTrust(archive, options.untrusted ?? false, (text) => line.say(`${name}: ${text}`));
      let seen = 0;
      const onItem = (item: Item) => {
        if (options.dryRun) console.log(row(item));
        else if (++seen % 1000 === 0) line.show(`${name}: reading the list of files, ${count(seen)}`);
      };
      const plan = await planRestore({ job, ledger, signal, archive, paths, onItem });
      if (to === undefined || options.dryRun) {
        line.say(`${name}: ${size(plan)} would come`);
        return;
      }
      const restored = await restore({
        ...{ job, ledger, signal, plan, to },
        overwrite: options.overwrite ?? false,
        numericIds: options.numericIds ?? false,
        onProgress: (share) =>
          line.show(
            `${name}: restoring ${percent(share)}, ${bytes(share * plan.bytes)} of ${bytes(plan.bytes)}`,
          ),
      });
      line.clear();
      const { where, seconds, warnings, warningCount } = restored;
      for (const warning of warnings) console.error(`${name}: ${warning}`);
      if (warningCount > warnings.length)
        console.error(`${name}: and ${count(warningCount - warnings.length)} more like these`);
      console.log(`${name}: ${size(plan)} in ${seconds.toFixed(0)} s, in ${where}`);
      if (warningCount > 0) {
        console.error(`${name}: ${count(warningCount)} warning(s): not all of it is as it was.`);
        process.exitCode = exitCodes.warnings;
      }
    } finally {
      line.clear();
    }
  };
  await withJob("restore", name, work, "Run it again, with --overwrite or to another folder.");
}

/** As scp has it: a colon before the first slash names another machine. */
function destination(text: string): Destination {
  if (text.trim() === "")
    throw new UserError("--to names no folder.", "Say where to: --to DIR, or --to JOB:/DIR.");
  if (!/^[^/]*:/.test(text)) return { kind: "home", folder: path.resolve(text) };
  const [, job, folder] = /^([a-z0-9][a-z0-9-]{0,39}):(\/.*)$/s.exec(text) ?? [];
  if (job === undefined || folder === undefined) {
    throw new UserError(
      `${clean(text)} is no JOB:/FOLDER.`,
      `Name the job whose VPS it is, and a whole path, such as web1:/root/restore; a folder of this machine: ./${clean(text)}`,
    );
  }
  return { kind: "vps", job: readJobFile(jobFileOf(job)), folder: path.posix.normalize(folder) };
}

/** Such as "1,203 files, 40 folders and links, 96 MB". */
function size({ items, files, bytes: total }: Plan): string {
  const others = items - files;
  return [
    `${count(files)} ${files === 1 ? "file" : "files"}`,
    ...(others > 0 ? [`${count(others)} ${others === 1 ? "folder or link" : "folders and links"}`] : []),
    bytes(total),
  ].join(", ");
}

/** A line of --dry-run. */
const row = ({ type, bytes: size, path: at }: Item): string =>
  `${type}  ${bytes(size).padStart(7)}  /${clean(at, 5000)}`;
