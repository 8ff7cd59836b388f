/** The key of a repository, written out for a place that is neither the repository nor this machine. */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";
import type { JobFile } from "../schema/job-file.ts";
import { borg, refused } from "./borg/command.ts";
import type { Events } from "./ledger/events.ts";
import { readPassphrase } from "./passphrase.ts";
import { localTime } from "./time.ts";
import { readConfig, readConfigCopy, syncFolder } from "./trust/config-file.ts";

/** "file": what `borg key import` reads; "paper": lines with check sums, to be typed in. */
export type KeyForm = "file" | "paper";

export interface ExportedKey {
  readonly text: string;
  /** As `keyDigest`. */
  readonly digest: string;
}

/**
 * sha256 of the encrypted key in a repository's config, hexadecimal: another one after each change of the passphrase.
 * @returns undefined for a repository whose key is not in it
 */
export function keyDigest(config: string): string | undefined {
  const key = /^key\s*=\s*(\S+(?:\n[ \t]+\S+)*)/m.exec(config)?.[1];
  return key && crypto.hash("sha256", key.replace(/\s+/g, ""));
}

/**
 * The key of a job's repository as text, from borg itself. It is encrypted by the passphrase still.
 * @param options.withPassphrase on paper only, below the key
 * @throws UserError when the repository or its key is not there, or is not the one that home knows
 */
export async function exportKey(
  { job, repository, passphraseFile }: JobFile,
  { form, withPassphrase = false }: { readonly form: KeyForm; readonly withPassphrase?: boolean },
): Promise<ExportedKey> {
  const config = readConfig(repository, job);
  const digest = keyDigest(config.text);
  if (digest === undefined) {
    throw new UserError(
      `The repository ${repository} has no key in its config.`,
      "Its key is a file of the borg that made it: keep a copy of that one.",
    );
  }
  const copy = readConfigCopy(job);
  if (copy && copy.digest !== config.digest) {
    throw new UserError(
      `The key in ${repository} is not the one that home knows.`,
      `Run "borgpull list ${job}", and decide with "borgpull rollback ${job}" or "borgpull accept ${job}"; then export the key.`,
    );
  }
  const result = await borg(["key", "export", ...(form === "paper" ? ["--paper"] : []), repository]);
  if (result.code !== 0) throw refused("key export", repository, result);
  const text = form === "paper" ? paper({ job, repository, id: config.id }, result.stdout) : result.stdout;
  return {
    text: withPassphrase ? `${text}\nPassphrase: ${readPassphrase(passphraseFile)}\n` : text,
    digest,
  };
}

/** borg's lines, below what tells a finder what they are for. */
const paper = (of: { readonly job: string; readonly repository: string; readonly id: string }, key: string) =>
  [
    `borgpull: the key of ${of.job}, ${localTime(Date.now()).slice(0, 10)}`,
    `repository ${of.repository}`,
    `id ${of.id}`,
    "",
    key.trimEnd(),
    "",
  ].join("\n");

/** Writes a key to a file of its own, 0600. @throws UserError when there is such a file, or it cannot be written */
export function writeKey(file: string, text: string): void {
  try {
    // Under its own name: a stick's file system (FAT, exFAT) knows no hard links, and what a kill leaves is not hidden.
    fs.writeFileSync(file, text, { mode: 0o600, flag: "wx", flush: true });
    syncFolder(path.dirname(path.resolve(file)));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== "EEXIST") fs.rmSync(file, { force: true });
    throw code === "EEXIST"
      ? new UserError(`${file} is there already.`, "Give another name; nothing is overwritten.", { cause })
      : new UserError(`${file} cannot be written (${code}).`, "Give a file in a folder that you may write.", {
          cause,
        });
  }
}

const exported = (digest: string) => `key ${digest.slice(0, 32)}`;

/** Records that a key was exported, so that nobody is reminded of it any more. */
export const recordExport = (ledger: Events, job: string, digest: string): void =>
  ledger.note(job, "key-export", `exported: ${exported(digest)}`);

/**
 * Whether a person ought to export the job's key. From files and records alone: neither borg nor lock.
 * @returns "never" exported; "changed" since; "done"; undefined for a repository that has no key in it, or is not there
 */
export function keyExportState(
  ledger: Pick<Events, "events">,
  { job, repository }: Pick<JobFile, "job" | "repository">,
): "never" | "changed" | "done" | undefined {
  const digest = keyDigest(readConfigCopy(job)?.text ?? configText(repository) ?? "");
  if (digest === undefined) return undefined;
  const exports = ledger.events(job, 1_000_000).filter(({ kind }) => kind === "key-export");
  if (exports.length === 0) return "never";
  return exports.some(({ text }) => text.includes(exported(digest))) ? "done" : "changed";
}

function configText(repository: string): string | undefined {
  try {
    return readConfig(repository).text;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
