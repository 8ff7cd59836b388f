import * as fs from "node:fs";
import { styleText } from "node:util";
import { Command } from "commander";
import { repositoryId } from "../pull/borg.ts";
import { readJobFile } from "../pull/job.ts";
import { type ArchiveRecord, type Breach, openLedger, type RunRecord } from "../pull/ledger.ts";
import { clean } from "../pull/lines.ts";
import { bytes } from "../pull/quantities.ts";
import { archiveTime, describeFound } from "../pull/rollback/preview.ts";
import { localTime } from "../pull/time.ts";
import { readConfigCopy } from "../pull/trust/config-file.ts";
import { breachRemedy } from "../pull/trust/describe.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { asciiJson } from "./ascii-json.ts";
import { exitCodes } from "./exit-code.ts";
import { jobFileOf } from "./job.ts";
import { withoutDumps } from "./trusted.ts";

interface Options {
  readonly json?: boolean;
  readonly all?: boolean;
}

/** `borgpull list JOB`: a job's archives and how far each is trusted, from home's records alone. */
export function listCommand(): Command {
  return new Command("list")
    .description("list a job's archives and how far home trusts each, from home's own records")
    .argument("<job>", "name of a job, as in the config")
    .option("--json", "as JSON")
    .option("--all", "those that are gone too: pruned, rolled back, vanished")
    .addHelpText("after", legend)
    .action((name: string, { json = false, all = false }: Options) => {
      const { job, repository } = readJobFile(jobFileOf(name));
      const { archives, breaches } = recorded({ job, repository });
      const shown = archives.filter(
        ({ gone }) => all || !gone || (gone.why === "vanished" && breaches.length > 0),
      );
      console.log(json ? asJson(job, shown, breaches) : asText(job, shown, breaches));
      if (archives.length === 0 && !json && repositoryId(repository) !== undefined) {
        console.log(`The repository ${repository} is there; what is in it is recorded with the next run.`);
      }
      process.exitCode = breaches.length > 0 ? exitCodes.tampered : exitCodes.good;
    });
}

const legend = `
Trust: good         a run of ours made it, nothing older was touched then, and borg's check of it found nothing amiss
       unconfirmed  a run of ours made it, and not all of that holds
       partial      what an interrupted run left
       before us    it was there before home kept records
       attended     a person made it, by "borgpull borg" or "borgpull forward --write"
       removed      a person removed it, so
       foreign      no run of ours made it
       vanished     somebody else than home removed it
Exit code 3: something was found that waits for a decision.

Examples:
  borgpull list web1
  borgpull list web1 --json | jq -r '.archives[-1].name'`;

/** An archive with home's time of it. */
export interface ListedArchive extends ArchiveRecord {
  readonly time: number;
  readonly figures?: RunRecord["figures"];
  /** Names of the dumps that are not whole in it. */
  readonly failedDumps?: readonly string[];
}

interface Recorded {
  /** The oldest first. */
  readonly archives: readonly ListedArchive[];
  readonly breaches: readonly Breach[];
}

/** Reads home's records alone, waits for nobody and makes nothing: no state.db is no archive. */
export function recorded({ job, repository }: Pick<JobFile, "job" | "repository">): Recorded {
  const { stateDb } = homePaths();
  const id = readConfigCopy(job)?.id ?? repositoryId(repository);
  if (!fs.existsSync(stateDb)) return { archives: [], breaches: [] };
  using ledger = openLedger(stateDb);
  const runs = new Map(ledger.runs(job, 1_000_000).map((record) => [record.run, record]));
  const archives = (id === undefined ? [] : ledger.archives(id)).map((archive) => {
    const { figures, failedDumps } = (archive.run === undefined ? undefined : runs.get(archive.run)) ?? {};
    return {
      ...archive,
      time: archiveTime(archive, runs),
      ...(figures ? { figures } : {}),
      ...(failedDumps ? { failedDumps } : {}),
    };
  });
  return { archives: archives.toSorted((a, b) => a.time - b.time), breaches: ledger.openBreaches(job) };
}

/** What is printed for a person: names may be a hostile VPS's. */
export function asText(
  job: string,
  archives: readonly ListedArchive[],
  breaches: readonly Breach[],
  width = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): string {
  const room = Math.max(30, Math.min(100, width - widths.reduce((sum, each) => sum + each + 2, 0)));
  const line = (cells: readonly string[], name: string) =>
    [...cells.map((cell, column) => pad(cell, column)), name].join("  ");
  const rows = archives.map((archive) => {
    const { figures, run, name } = archive;
    const sizes = figures ? [bytes(figures.originalBytes), bytes(figures.newBytes)] : ["", ""];
    // Names of ours are short enough, and whole: they are what borg wants to be told.
    const text = line([localTime(archive.time), trustOf(archive), ...sizes], clean(name, run ? 100 : room));
    const look = alarming.includes(trustOf(archive)) ? "red" : archive.failedDumps && "yellow";
    const whole = `${text}${withoutDumps(archive.failedDumps)}`;
    return look ? styleText(look, whole, { stream: process.stdout }) : whole;
  });
  const table =
    rows.length > 0
      ? [line(["time", "trust", "size", "new"], "archive"), ...rows]
      : [`${job}: no archive is recorded.`];
  const found = breaches.flatMap((breach) => ["", ...describeFound(breach, Number.POSITIVE_INFINITY)]);
  return [...table, ...found, ...(breaches.length > 0 ? [breachRemedy(job)] : [])].join("\n");
}

const trustOf = ({ trust, gone }: ArchiveRecord): string =>
  gone?.why === "attended" ? "removed" : (gone?.why ?? trust).replace("-", " ");

const alarming: readonly string[] = ["vanished", "foreign"];

/** Of time, trust, size and what was new. */
const widths = [16, 11, 7, 7] as const;
const pad = (cell: string, column: number): string =>
  column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);

export function asJson(job: string, archives: readonly ListedArchive[], breaches: readonly Breach[]): string {
  const plain = {
    job,
    archives: archives.map(({ time, seen, gone, ...archive }) => ({
      ...archive,
      time: iso(time),
      seen: iso(seen),
      ...(gone ? { gone: { why: gone.why, time: iso(gone.time) } } : {}),
    })),
    breaches: breaches.map(({ found, runs, findings }) => ({ found: iso(found), runs, findings })),
  };
  return asciiJson(plain);
}

const iso = (time: number): string => new Date(time).toISOString();
