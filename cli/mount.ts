import * as path from "node:path";
import { Command } from "commander";
import { mount } from "../pull/mount.ts";
import { findArchive } from "../pull/restore.ts";
import { statusLine } from "./status-line.ts";
import { describeArchive, requireTrust, warnOfBreach } from "./trusted.ts";
import { type Open, withJob } from "./with-job.ts";

/** `borgpull mount JOB [ARCHIVE] DIR`: look into an archive as into a folder. */
export function mountCommand(): Command {
  return new Command("mount")
    .description("look into a job's archive as into a folder, until Ctrl-C")
    .argument("<job>", "name of a job, as in the config")
    .argument("[archive]", "as in restore (default: latest)")
    .argument("[dir]", "a folder of this machine that is absent or empty")
    .option("--untrusted", "take an archive that home does not trust")
    .addHelpText("after", help)
    .action(
      async (
        job: string,
        first: string | undefined,
        second: string | undefined,
        { untrusted = false }: { readonly untrusted?: boolean },
        command: Command,
      ) => {
        const folder = second ?? first;
        if (second === undefined && first !== undefined && /^(latest|\d{4}-\d\d-\d\d.*)$/.test(first))
          return command.error(
            `"${first}" names an archive. Say where: borgpull mount JOB ${first} DIR, or ./${first}`,
          );
        if (folder === undefined) return command.error("Say where: borgpull mount JOB [ARCHIVE] DIR");
        await mountOne(job, {
          wanted: second === undefined ? "latest" : first,
          folder: path.resolve(folder),
          untrusted,
        });
      },
    );
}

const help = `
It is read-only, for this user alone, and without device nodes and set-user-ID. Pulls of the job do not
begin before it has ended: by Ctrl-C, or by "fusermount3 -u DIR".

Examples:
  borgpull mount web1 /mnt
  borgpull mount web1 2026-11-22 /mnt`;

async function mountOne(
  name: string,
  {
    wanted,
    folder,
    untrusted,
  }: { readonly wanted: string | undefined; readonly folder: string; readonly untrusted: boolean },
): Promise<void> {
  const work = async ({ job, ledger, signal }: Open) => {
    const line = statusLine();
    line.show(`${name}: looking for the archive`);
    const archive = await findArchive({ job, ledger, signal }, wanted).finally(line.clear);
    warnOfBreach(name, ledger, line.say);
    requireTrust(archive, untrusted, (text) => line.say(`${name}: ${text}`));
    line.show(`${name}: mounting`);
    const onMounted = () =>
      line.say(
        `${name}: ${describeArchive(archive)} is at ${folder}. Pulls of ${name} wait until you end this with Ctrl-C.`,
      );
    await mount({ job, archive: archive.name, folder, signal, onMounted }).finally(line.clear);
    line.say(`${name}: unmounted`);
  };
  await withJob("mount", name, work, "Run it again.");
}
