/** Getting files back. restore/ has the choice of the archive, the confined borg, and what comes of it. */
import * as fs from "node:fs";
import { connect } from "../remote/connect.ts";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { endpoint } from "../schema/target.ts";
import { type Item, listContents } from "./borg/contents.ts";
import { freeStaleLock, listArchives } from "./borg.ts";
import type { Ledger } from "./ledger.ts";
import { clean } from "./lines.ts";
import { readPassphrase } from "./passphrase.ts";
import { type Candidate, choose, parseWanted } from "./restore/choose.ts";
import { confinedAtHome, confinedOnVps } from "./restore/confined.ts";
import { type ExtractOptions, extract } from "./restore/extract.ts";
import { insidePath, isWithin } from "./restore/paths.ts";
import { readConfig } from "./trust/config-file.ts";

/** Where files are restored to: a folder of this machine, or of a VPS over its job's administrator's login. */
export type Destination =
  | { readonly kind: "home"; readonly folder: string }
  | { readonly kind: "vps"; readonly job: JobFile; readonly folder: string };

/** A job's lock is held by the caller, all the time: no pull begins in the middle of a restore. */
export interface RestoreOptions {
  readonly job: JobFile;
  readonly ledger: Ledger;
  readonly signal?: AbortSignal;
}

/** What a restore would bring. */
export interface Plan {
  readonly archive: Candidate;
  /** As archives have them; none: all of the archive. */
  readonly paths: readonly string[];
  /** Things of every kind, folders included. */
  readonly items: number;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Chooses an archive that is there.
 * @param wanted `latest` (also when undefined), a date, or the beginning of a name
 * @throws UserError when there is none such
 */
export async function findArchive(
  { job, ledger, signal }: RestoreOptions,
  wanted: string | undefined,
): Promise<Candidate> {
  const { repository, passphraseFile } = job;
  const { lockWaitSeconds } = job.limits;
  const asked = parseWanted(wanted);
  const { id } = readConfig(repository, job.job);
  await freeStaleLock(repository, { waitSeconds: lockWaitSeconds, signal });
  const access = { repository, passphraseFile, lockWaitSeconds, ...(signal ? { signal } : {}) };
  const there = await listArchives({ ...access, checkpoints: true });
  const records = new Map(ledger.archives(id).map((archive) => [archive.id, archive]));
  // Home may have lost its records, and may never have had any.
  const unseen = records.size === 0 ? "before-us" : "unseen";
  const candidates = there.map(({ id, name }): Candidate => {
    const { trust = unseen, run } = records.get(id) ?? {};
    const { started, failedDumps } = (run === undefined ? undefined : ledger.run(run)) ?? {};
    return {
      ...{ id, name, trust },
      ...(failedDumps ? { failedDumps } : {}),
      ...(run === undefined ? {} : { run }),
      ...(started === undefined ? {} : { started }),
    };
  });
  return choose(job.job, candidates, asked);
}

/**
 * Looks what a restore would bring, and changes nothing.
 * @param options.onItem each of them
 * @throws UserError when a path is not in the archive, or borg cannot read it
 */
export async function planRestore(
  options: RestoreOptions & {
    readonly archive: Candidate;
    readonly paths: readonly string[];
    readonly onItem?: (item: Item) => void;
  },
): Promise<Plan> {
  const { job, archive, signal, onItem } = options;
  const all = [...new Set(options.paths.map(insidePath))];
  const paths = all.includes("") ? [] : all;
  const missing = new Set(paths);
  let [items, files, bytes] = [0, 0, 0];
  await listContents({
    repository: job.repository,
    passphraseFile: job.passphraseFile,
    lockWaitSeconds: job.limits.lockWaitSeconds,
    archive: archive.name,
    paths,
    ...(signal ? { signal } : {}),
    onItem: (item) => {
      for (const path of missing) if (isWithin(item, path)) missing.delete(path);
      items++;
      if (item.type === "-") files++;
      if (!item.hardLink) bytes += item.bytes;
      onItem?.(item);
    },
  });
  const [path] = missing;
  if (path !== undefined) {
    throw new UserError(
      `/${clean(path, 200)} is not in ${clean(archive.name, 100)}.`,
      `Look what is: borgpull restore ${job.job} ${clean(archive.name, 100)} --dry-run`,
    );
  }
  return { archive, paths, items, files, bytes };
}

export interface Restored {
  /** Where, in words. */
  readonly where: string;
  readonly seconds: number;
  /** borg's warnings, the first of them, and how many there were. */
  readonly warnings: readonly string[];
  readonly warningCount: number;
}

/**
 * Restores what was planned: owners, modes, times, links, extended attributes and ACLs as they were, set-user-ID bits and device nodes too.
 * borg can write to the folder alone, whatever the archive holds.
 * @throws UserError when not all of it could be restored; what was aborted with
 */
export async function restore(
  options: RestoreOptions & {
    readonly plan: Plan;
    readonly to: Destination;
    /** The folder may have something in it; what is in the way is replaced. */
    readonly overwrite: boolean;
    /** Owners by number and not by name. */
    readonly numericIds: boolean;
    readonly onProgress?: (share: number) => void;
  },
): Promise<Restored> {
  const { job, ledger, plan, to, overwrite } = options;
  const where = to.kind === "home" ? to.folder : `${to.folder} on ${endpoint(to.job.admin)}`;
  const request: ExtractOptions = {
    job,
    ...{ where, overwrite, folder: to.folder, archive: plan.archive.name, paths: plan.paths },
    state: homePaths().state,
    passphrase: readPassphrase(job.passphraseFile),
    numericIds: options.numericIds,
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
  };
  const began = Date.now();
  // What cannot be noted, on a disk that this very restore has filled, takes nothing from what came of it.
  const note = (how: string) => {
    try {
      ledger.note(job.job, "restore", `${clean(plan.archive.name, 100)} to ${where}: ${how}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  };
  try {
    const { outcome, said } = await (to.kind === "home"
      ? extractAtHome(request)
      : extractOnVps(request, to.job));
    if (outcome.kind === "failed") throw outcome.error;
    const { warnings, warningCount } = said;
    note(outcome.kind === "good" ? "done" : `done with ${warningCount} warning(s)`);
    return { where, seconds: (Date.now() - began) / 1000, warnings, warningCount };
  } catch (error) {
    note(options.signal?.aborted ? "cancelled" : "not done");
    throw error;
  }
}

/** A folder that we made is removed again when nothing came into it. */
async function extractAtHome(request: ExtractOptions): ReturnType<typeof extract> {
  const { folder } = request;
  const there = fs.existsSync(folder);
  try {
    return await extract(request, confinedAtHome);
  } finally {
    if (!there) removeIfEmpty(folder);
  }
}

function removeIfEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder);
  } catch {
    // it has files in it, or was not made
  }
}

async function extractOnVps(request: ExtractOptions, { admin }: JobFile): ReturnType<typeof extract> {
  const { signal } = request;
  await using connection = await connect(admin, signal ? { signal } : {});
  return await extract(request, (options) => confinedOnVps(connection, options));
}
