/** Another passphrase for a repository's key, in steps of which each can be the last: whoever begins again goes on. */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { borg, lastError, refused } from "./borg/command.ts";
import type { Ledger, Mark, Operation } from "./ledger.ts";
import { checkPassphrase, readPassphrase } from "./passphrase.ts";
import {
  readConfig,
  readConfigCopy,
  syncFolder,
  writeConfigCopy,
  writeDurably,
} from "./trust/config-file.ts";
import { gate, requireTrusted } from "./trust/gate.ts";

export interface PassphraseOptions {
  /** Its lock is held by the caller. */
  readonly job: JobFile;
  readonly ledger: Ledger;
  readonly onStep?: ((step: string) => void) | undefined;
}

export interface PassphraseChanged {
  /** The file that the old passphrase is kept in. */
  readonly old: string;
}

/** 256 random bits. */
export const newPassphrase = (): string => crypto.randomBytes(32).toString("base64url");

/**
 * Ends a change that was begun and killed: it is done if borg has done its part, else it is as if it had never begun.
 * @returns undefined when nothing had been begun, or nothing is left of it
 * @throws UserError when the repository cannot be looked at
 */
export async function resumePassphrase(options: PassphraseOptions): Promise<PassphraseChanged | undefined> {
  const { job, ledger } = options;
  const begun = ledger.openOperations(job.job).find(({ kind }) => kind === "passphrase");
  if (!begun) return undefined;
  const fresh = freshFile(job);
  if (!fs.existsSync(fresh) || (await opens(job, fresh))) return finish(options, begun);
  ledger.endOperation(begun.number, "failed");
  fs.rmSync(fresh); // not before: without it an open change counts as done
  return undefined;
}

/**
 * Gives the key of a job's repository another passphrase, at home and without the VPS. The key itself, and so all data, stays as it is.
 * @throws UserError when something else in the repository waits for a decision first, or borg refuses
 */
export async function changePassphrase(
  options: PassphraseOptions & { readonly passphrase: string },
): Promise<PassphraseChanged> {
  const { job, ledger, passphrase, onStep = () => {} } = options;
  const { job: name, repository, passphraseFile } = job;
  const now = readPassphrase(passphraseFile);
  checkPassphrase(passphrase, "The new passphrase");
  if (now === passphrase) {
    throw new UserError("The new passphrase is the one that the repository has.", "Give another one.");
  }
  await requireTrusted({ job, ledger });
  onStep("writing the new passphrase");
  writeDurably(freshFile(job), `${passphrase}\n`);
  onStep("recording the intent");
  const number = ledger.beginOperation(name, { kind: "passphrase" });
  onStep("changing the key");
  const changed = await borg(["key", "change-passphrase", repository], {
    passphrase: now,
    newPassphrase: passphrase,
    writes: true,
  });
  if (changed.code !== 0) {
    await resumePassphrase(options);
    throw refused("key change-passphrase", repository, changed);
  }
  onStep("opening the repository with it");
  if (!(await opens(job, freshFile(job)))) throw new Error("borg does not open what it has just changed");
  return finish(options, { number });
}

const freshFile = ({ passphraseFile }: JobFile): string => `${passphraseFile}.new`;

async function finish(
  { job, ledger, onStep = () => {} }: PassphraseOptions,
  { number }: Pick<Operation, "number">,
): Promise<PassphraseChanged> {
  const { job: name, repository, passphraseFile } = job;
  const fresh = freshFile(job);
  onStep("keeping the old passphrase");
  const old = fs.existsSync(fresh) ? keepOld(passphraseFile) : (oldFiles(passphraseFile).at(-1) ?? "");
  onStep("putting the new one in its place");
  if (fs.existsSync(fresh)) {
    fs.renameSync(fresh, passphraseFile);
    syncFolder(path.dirname(passphraseFile));
  }
  onStep("copying the key");
  const config = readConfig(repository, name);
  if (readConfigCopy(name)?.digest !== config.digest) writeConfigCopy(name, config.text);
  onStep("recording it");
  const { segment, objects } = ledger.mark(config.id) as Mark;
  ledger.atomically(() => {
    ledger.setMark(config.id, {
      segment,
      config: config.digest,
      ...(objects === undefined ? {} : { objects }),
      why: "passphrase",
    });
    ledger.note(name, "passphrase", "the passphrase was changed");
    ledger.endOperation(number, "done");
  });
  await gate({ job, ledger });
  return { old };
}

/** Under the time's name, unless it was kept already when this was cut off. */
function keepOld(file: string): string {
  const text = fs.readFileSync(file, "utf8");
  const kept = oldFiles(file).findLast((old) => fs.readFileSync(old, "utf8") === text);
  if (kept) return kept;
  const old = `${file}.old-${new Date().toISOString().replace(/[:.]/g, "")}`;
  fs.linkSync(file, old);
  syncFolder(path.dirname(file));
  return old;
}

/** The oldest first. */
const oldFiles = (file: string): readonly string[] =>
  fs
    .readdirSync(path.dirname(file))
    .filter((name) => name.startsWith(`${path.basename(file)}.old-`))
    .toSorted()
    .map((name) => path.join(path.dirname(file), name));

/** Whether a passphrase opens the repository's key. @throws UserError when something else keeps borg from it */
async function opens({ repository, limits }: JobFile, passphraseFile: string): Promise<boolean> {
  const wait = limits.lockWaitSeconds;
  const result = await borg(
    ["--log-json", "--lock-wait", String(wait), "list", "--short", "--last", "1", repository],
    { passphrase: readPassphrase(passphraseFile), timeoutSeconds: wait + 600 },
  );
  if (result.code === 0) return true;
  if (lastError(result.stderr).msgid === "PassphraseWrong") return false;
  throw refused("list", repository, result);
}
