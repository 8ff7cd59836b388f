/** A job under another name keeps its history: what home has of it gets the new name, in steps that can each be done twice. */
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { homePaths } from "../schema/paths.ts";
import { repositoryId } from "./borg.ts";
import { readJobFile } from "./job.ts";
import { openLedger } from "./ledger.ts";
import { lockJobInTime, type WaitOptions } from "./lock.ts";
import { forgetCaches } from "./rollback/forget-cache.ts";
import { readConfigCopy, syncFolder } from "./trust/config-file.ts";
import { gate } from "./trust/gate.ts";

export interface RenameOptions {
  readonly from: string;
  readonly to: string;
  /** Where the repository is now. */
  readonly repository: string;
  /** For whoever works on the job just now. @default not at all */
  readonly wait?: WaitOptions;
  readonly signal?: AbortSignal | undefined;
  /** What is left for the next run to do, a sentence. */
  readonly onWarning: (text: string) => Promise<void>;
  readonly onStep?: (step: string) => void;
}

/**
 * Gives the records, the passphrase and the copy of the key of one job another job's name. The repository stays where it is.
 * @returns whether there was anything of that name
 * @throws UserError when it is worked on just now, when its repository cannot be looked at, or when the new name has things of its own
 */
export async function renameJob(options: RenameOptions): Promise<boolean> {
  const { from, to, repository, wait = { seconds: 0 }, signal, onWarning, onStep = () => {} } = options;
  const paths = homePaths();
  if (movesOf(from, to).length === 0) return false;
  using _old = await lockJobInTime(paths.lock(from), from, wait);
  using _new = await lockJobInTime(paths.lock(to), to, wait);
  const moves = movesOf(from, to);
  const taken = moves.find(({ now }) => fs.existsSync(now));
  if (taken) {
    throw new UserError(
      `${to} cannot be the new name of ${from}: ${taken.now} is there already.`,
      "Choose a name that no job has had, or leave renamedFrom out.",
    );
  }
  using ledger = openLedger(paths.stateDb);
  const file = paths.jobFile(from);
  const job = fs.existsSync(file) ? { ...readJobFile(file), repository } : undefined;
  const id = readConfigCopy(from)?.id ?? repositoryId(repository);
  // What its runs have left is judged while they have its name: their archives are called by it.
  if (job && id !== undefined && fs.existsSync(job.passphraseFile)) {
    await gate({ job, ledger, ...(signal ? { signal } : {}) });
  }
  onStep("recording the new name");
  ledger.atomically(() => {
    if (!ledger.renameJob(from, to)) return;
    if (id) ledger.beginOperation(to, { kind: "rename-cache", repository: id, from, to });
    ledger.note(to, "renamed", `was ${from}`);
  });
  for (const { old, now } of moves) {
    onStep(`moving ${path.relative(paths.config, old)}`);
    fs.mkdirSync(path.dirname(now), { recursive: true, mode: 0o700 });
    fs.renameSync(old, now);
    syncFolder(path.dirname(now));
  }
  for (const room of ["serve", "proof"])
    fs.rmSync(path.join(paths.state, room, from), { recursive: true, force: true });
  onStep("telling the VPS");
  if (job) await tellVps({ ...job, job: to }, { ledger, signal, onWarning });
  return true;
}

/** What is there of the old name at home. */
function movesOf(from: string, to: string): readonly { readonly old: string; readonly now: string }[] {
  const { keyCopy } = homePaths();
  const passphrases = passphrasesOf(from).map((old) => ({
    old,
    now: path.join(
      path.dirname(old),
      path.basename(old).replace(from, () => to),
    ),
  }));
  const copy = { old: keyCopy(from), now: keyCopy(to) };
  return [...(fs.existsSync(copy.old) ? [copy] : []), ...passphrases];
}

/** The passphrase of a job and those that it had before; never those of a job whose name begins alike. */
function passphrasesOf(job: string): readonly string[] {
  const file = homePaths().passphrase(job);
  const folder = path.dirname(file);
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  return names
    .filter((name) => name === job || name === `${job}.new` || name.startsWith(`${job}.old-`))
    .map((name) => path.join(folder, name));
}

/** borg on the VPS knows the repository by an address that has the job's name in it. */
async function tellVps(
  job: JobFile,
  {
    ledger,
    signal,
    onWarning,
  }: { readonly ledger: Parameters<typeof forgetCaches>[1] } & Pick<RenameOptions, "signal" | "onWarning">,
): Promise<void> {
  try {
    await forgetCaches(job, ledger, signal);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await onWarning(error.message);
  }
}
