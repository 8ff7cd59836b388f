import { styleText } from "node:util";
import { Command, InvalidArgumentError } from "commander";
import { isHeld } from "../pull/held-file.ts";
import { type HistoryEntry, history } from "../pull/history.ts";
import { readJobFile } from "../pull/job.ts";
import { clean, wrap } from "../pull/lines.ts";
import { localTime } from "../pull/time.ts";
import { homePaths } from "../schema/paths.ts";
import { asciiJson } from "./ascii-json.ts";
import { jobFileOf } from "./job.ts";
import { ledgerIfThere } from "./status/read.ts";
import { looks } from "./status/table.ts";

interface Options {
  readonly json?: boolean;
  readonly last: number;
}

/** `borgpull history JOB`: what was done with a job, from home's records alone. */
export function historyCommand(): Command {
  return new Command("history")
    .description("show what was done with a job: runs, checks, prunes, restores, work by hand")
    .argument("<job>", "name of a job, as in the config")
    .option("--last <n>", "how many entries", positive, 30)
    .option("--json", "as JSON")
    .addHelpText("after", help)
    .action((name: string, { json = false, last }: Options) => {
      const { job } = readJobFile(jobFileOf(name));
      const paths = homePaths();
      using ledger = ledgerIfThere(paths.stateDb);
      const running = isHeld(paths.lock(job));
      const entries = ledger ? history(ledger, job, { limit: last, running }) : [];
      console.log(json ? asJson(job, entries) : asText(job, entries));
    });
}

const help = `
The youngest entry comes last. It reads home's own records, waits for nobody and needs neither VPS nor repository.

Examples:
  borgpull history web1
  borgpull history web1 --last 1000 | grep restore`;

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("Give a number above 0.");
  return value;
}

/** What is printed for a person: texts may quote a hostile VPS. */
export function asText(
  job: string,
  entries: readonly HistoryEntry[],
  width = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): string {
  if (entries.length === 0) return `${job}: nothing is on record.`;
  const widest = Math.max(...entries.map(({ what }) => what.length));
  const indent = timeWidth + widest + outcomeWidth + 6;
  return entries
    .map(({ time, what, outcome = "", text }) => {
      const head = `${localTime(time)}  ${what.padEnd(widest)}  `;
      const [first = "", ...rest] = wrap(clean(text, 1000), Math.max(30, Math.min(width, 160) - indent));
      const below = rest.map((line) => `\n${" ".repeat(indent)}${line}`);
      return `${head}${coloured(outcome)}  ${first}`.trimEnd() + below.join("");
    })
    .join("\n");
}

const timeWidth = "2026-11-22 03:15".length;
const outcomeWidth = "abandoned".length;

function coloured(outcome: string): string {
  const look = outcome in looks ? looks[outcome as keyof typeof looks] : "dim";
  const text = outcome.padEnd(outcomeWidth);
  return outcome === "" ? text : styleText(look, text, { stream: process.stdout });
}

const asJson = (job: string, entries: readonly HistoryEntry[]): string =>
  asciiJson({
    job,
    entries: entries.map(({ time, ...entry }) => ({ time: new Date(time).toISOString(), ...entry })),
  });
