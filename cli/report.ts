import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Command } from "commander";
import { fleet, jobNames, nextRuns } from "../pull/status.ts";
import { homePaths } from "../schema/paths.ts";
import { exitCodes } from "./exit-code.ts";
import { writeWhole } from "./public-file.ts";
import { ledgerIfThere } from "./status/read.ts";

/** `borgpull report`: one HTML page of how all jobs stand. */
export function reportCommand(): Command {
  return new Command("report")
    .description("write one HTML page: how all jobs stand, their runs, sizes, trust, failures, checks")
    .option("--out <file>", 'where to; "-" for stdout', "borgpull-report.html")
    .addHelpText("after", help)
    .action(async ({ out }: { readonly out: string }) => {
      const html = await page(Date.now());
      if (out === "-") process.stdout.write(html);
      else {
        writeWhole(out, html, modeOf(out));
        console.log(path.resolve(out));
      }
      process.exitCode = exitCodes.good;
    });
}

const help = `
The page is all in the one file: no script, nothing loaded from anywhere. It names paths and hosts, so a new one can be read by
you alone; one that is written again keeps its mode.

Example:
  borgpull report --out /srv/www/backups.html`;

const modeOf = (file: string): number =>
  (fs.statSync(file, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777;

async function page(now: number): Promise<string> {
  // Here and not above: the library that draws takes longer to load than any other verb takes in all.
  const { reportHtml } = await import("../report/index.ts");
  using ledger = ledgerIfThere(homePaths().stateDb);
  const members = fleet(jobNames(), ledger, now);
  const next = await nextRuns(members.flatMap((member) => (member.kind === "job" ? [member.job] : [])));
  return reportHtml({ home: os.hostname(), members, next, ledger, now });
}
