import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { checkArchive, freeStaleLock, listArchives, readArchive, UnreadableError } from "../borg.ts";
import type { ArchiveRecord, Breach, Ledger, Mark } from "../ledger.ts";
import type { Archive } from "../result.ts";
import { countObjects } from "../rpc/existing.ts";
import { lastCommitted } from "../segments.ts";
import { withoutOwnDeletions } from "./attended.ts";
import { type ConfigFile, configCopy, readConfig, readConfigCopy, writeConfigCopy } from "./config-file.ts";
import { breachRemedy, describeBreach, describeFindings } from "./describe.ts";
import { judge } from "./judge.ts";
import { changesSince } from "./log.ts";
import type { Ahead } from "./look-ahead.ts";
import { endOwn, homesOwn } from "./own-work.ts";

export interface GateOptions {
  readonly job: JobFile;
  readonly ledger: Ledger;
  /** The run whose session has just ended. */
  readonly run?: string;
  /** A run that has begun and was not served yet. */
  readonly pending?: string;
  /** A person's session on the VPS has ended just now, and that person is told what came of it. */
  readonly witnessed?: boolean;
  readonly signal?: AbortSignal;
  /** What was asked of borg already; disposed of when this returns. */
  readonly ahead?: Ahead | undefined;
}

export interface GateResult {
  /** What was found this time. */
  readonly breach?: Breach;
  /** The archive of the run, once it is there; `problem` is what borg's check found. */
  readonly own?: ArchiveRecord & { readonly problem?: string };
  /** Home cannot list the archives: under another key, or not at all. Only a person can change that. */
  readonly unlisted?: boolean;
}

/** There is a breach that no person has decided on: nothing may be removed. */
export class TamperedError extends UserError {
  override readonly name = "TamperedError";
}

/**
 * Looks at all that has happened to a job's repository since the last time, before anything of it is believed or removed, and
 * records it. Needs the job's lock. Without changes it costs a few file reads.
 * @throws UserError when it could not look: the records are then as before, and the next gate looks again
 */
export async function gate(options: GateOptions): Promise<GateResult> {
  const { job, ledger } = options;
  const config = readConfig(job.repository, job.job);
  await using ahead = await askedOfThis(options);
  // What was asked ahead has seen to the lock, and may hold it.
  if (!ahead)
    await freeStaleLock(job.repository, { waitSeconds: job.limits.lockWaitSeconds, signal: options.signal });
  const copy = readConfigCopy(job.job);
  if (copy && copy.id !== config.id) throw anotherRepository(job, config.id);
  const { id } = config;
  ledger.adoptBreaches(job.job, id);
  const mark = ledger.mark(id);
  const runs = ledger.ungated(job.job).filter((run) => run !== options.pending);
  if (!mark) return begin(options, config, runs);
  const same = config.digest === mark.config;
  const operation = homesOwn(job, ledger.openOperations(job.job));
  const attended = operation?.kind === "attended" ? operation : undefined;
  // From a VPS anybody may have worked in that person's place: what nobody saw the end of is judged as any other session.
  const believed = attended?.where === "home" || options.witnessed ? attended : undefined;
  // Who works with borg at home may change its config too, if it was home's own; that the passphrase still opens it, the listing shows.
  const homes = [undefined, mark.config, config.digest].includes(copy?.digest);
  const rewritten = !same && attended?.where === "home" && homes;
  const last = (await lastCommitted(job.repository)) ?? -1;
  const forbidden = runs.map((run) => ledger.session(run).forbidden).find(Boolean);
  // With another key than home's own, borg at home can list nothing: not this time, nor until a person has decided.
  const readable = rewritten || config.digest === (copy?.digest ?? mark.config);
  if (last === mark.segment && same && (!operation || attended) && !forbidden) {
    if (readable) ledger.setGated(runs);
    if (attended) endOwn(options, attended, { appeared: [], gone: [] });
    return readable ? {} : { unlisted: true };
  }
  const known = ledger.archives(id).filter(({ gone }) => !gone);
  const listed = readable ? await list(options, ahead) : undefined;
  // After the listing: for it borg has made an index again where a crash left none.
  const objects = await countObjects(job.repository, last);
  const changes =
    operation && attended?.where !== "vps"
      ? undefined
      : await changesSince(mark, { job, last, objects, signal: options.signal });
  const judgement = judge({
    job: job.job,
    config: same || rewritten ? "same" : "changed",
    known,
    listed,
    runs,
    removing: new Set(operation?.kind === "prune" ? operation.archives.map(({ id }) => id) : []),
    ...(believed ? { attended: true } : {}),
    segments: believed ? await withoutOwnDeletions(changes, { ...options, known, listed }) : changes,
    forbidden,
  });
  const tampered = judgement.findings.length > 0;
  const checked = await confirm(options, judgement.appeared, { tampered, ahead });
  const why = attended?.rewritesLog ? "compact" : (operation?.kind ?? "run");
  // Before the record: cut off in between, the operation is open still, and it is taken as it is once more.
  if (rewritten && copy?.digest !== config.digest) writeConfigCopy(job.job, config.text);
  ledger.atomically(() => {
    for (const { problem: _, ...archive } of checked) ledger.addArchive(id, archive);
    for (const { id: archive, why } of judgement.gone) ledger.setGone(id, archive, why);
    if (tampered) record(options, { id, mark, last, runs, findings: judgement.findings });
    ledger.setMark(id, {
      segment: last,
      config: config.digest,
      ...(objects === undefined ? {} : { objects }),
      why,
      ...(options.run ? { run: options.run } : {}),
    });
    // What was not listed may still come to light, and is theirs then.
    if (Array.isArray(listed)) ledger.setGated(runs);
    if (operation) endOwn(options, operation, judgement);
  });
  const own = checked.find(({ run, trust }) => run && run === options.run && trust !== "partial");
  const breach = tampered ? ledger.openBreaches(job.job).at(-1) : undefined;
  return {
    ...(breach ? { breach } : {}),
    ...(own ? { own: { ...own, seen: Date.now() } } : {}),
    ...(Array.isArray(listed) ? {} : { unlisted: true }),
  };
}

/** The gate before anything is removed. @throws TamperedError while a breach is open */
export async function requireTrusted(options: GateOptions): Promise<void> {
  await gate(options);
  const [breach] = options.ledger.openBreaches(options.job.job);
  if (breach) throw new TamperedError(describeBreach(breach), breachRemedy(options.job.job));
}

/** The first gate of a repository: what is there was there before us, save what an older version of the records knows. */
async function begin(options: GateOptions, config: ConfigFile, open: readonly string[]): Promise<GateResult> {
  const { job, ledger } = options;
  const copy = readConfigCopy(job.job);
  if (copy && copy.digest !== config.digest) throw changedKey(job);
  const segment = (await lastCommitted(job.repository)) ?? -1;
  const listed = await listArchives({ ...access(options), checkpoints: true });
  const objects = await countObjects(job.repository, segment);
  const runs = ledger.runs(job.job, 1_000_000);
  if (!copy) writeConfigCopy(job.job, config.text);
  ledger.atomically(() => {
    for (const { id, name } of listed) {
      const run = runs.find(({ archive, outcome }) => archive?.id === id && outcome !== "failed")?.run;
      ledger.addArchive(config.id, run ? { id, name, run, trust: "good" } : { id, name, trust: "before-us" });
    }
    const counted = objects === undefined ? {} : { objects };
    ledger.setMark(config.id, { segment, config: config.digest, ...counted, why: "begin" });
    ledger.setGated(open);
  });
  return {};
}

function anotherRepository({ job, repository }: JobFile, id: string): UserError {
  return new UserError(
    `${repository} holds another repository (${id.slice(0, 12)}...) than the one of ${job}.`,
    "Put the right one there (is the right disk mounted?), or give the job another `repository`.",
  );
}

function changedKey({ job, repository }: JobFile): UserError {
  return new UserError(
    `The config or key of ${repository} is not what it was when its copy was made.`,
    `If you changed the key yourself, move ${configCopy(job)} aside; if not, the VPS did: copy that file over the repository's config.`,
  );
}

const access = ({ job, signal }: GateOptions) => ({
  repository: job.repository,
  passphraseFile: job.passphraseFile,
  lockWaitSeconds: job.limits.lockWaitSeconds,
  ...(signal ? { signal } : {}),
});

/** What was asked ahead, unless it was of something else than what is there now. */
async function askedOfThis({ job, ahead }: GateOptions): Promise<Ahead | undefined> {
  if (!ahead || ahead.segment === (await lastCommitted(job.repository))) return ahead;
  await ahead[Symbol.asyncDispose]();
  return undefined;
}

async function list(
  options: GateOptions,
  ahead: Ahead | undefined,
): Promise<readonly Archive[] | { readonly unreadable: string }> {
  try {
    return await (ahead?.listed() ?? listArchives({ ...access(options), checkpoints: true }));
  } catch (error) {
    if (error instanceof UnreadableError) return { unreadable: error.problem };
    throw error;
  }
}

type Appeared = Omit<ArchiveRecord, "seen" | "gone"> & { readonly problem?: string };

/**
 * An archive of ours is good once borg has found all of its chunks, and if its VPS spoke of this one. Where home kept an object that
 * was sent anew, it is also read in full: a hostile session may have left rubbish under the id of what comes later.
 */
async function confirm(
  options: GateOptions,
  appeared: readonly Appeared[],
  { tampered, ahead }: { readonly tampered: boolean; readonly ahead: Ahead | undefined },
): Promise<readonly Appeared[]> {
  if (tampered) return appeared;
  await ahead?.checked().catch(() => {}); // until then it has the lock
  const checked: Appeared[] = [];
  for (const archive of appeared) {
    const { reportedId, ignoredPuts = 0 } = archive.run ? options.ledger.session(archive.run) : {};
    const lied = reportedId !== undefined && reportedId !== archive.id;
    if (archive.trust !== "unconfirmed" || lied) {
      checked.push(archive);
      continue;
    }
    const whole = { ...access(options), archive: archive.name };
    const check = ahead?.archive === archive.name ? ahead.checked() : checkArchive(whole);
    const problem = (await check) ?? (ignoredPuts > 0 ? await readArchive(whole) : undefined);
    checked.push(problem ? { ...archive, problem } : { ...archive, trust: "good" });
  }
  return checked;
}

function record(
  { job, ledger }: GateOptions,
  breach: {
    readonly id: string;
    readonly mark: Mark;
    readonly last: number;
    readonly runs: readonly string[];
    readonly findings: Breach["findings"];
  },
): void {
  const { id: repository, mark, last: upTo, runs, findings } = breach;
  ledger.addBreach({ job: job.job, repository, after: mark.segment, upTo, runs, findings });
  ledger.note(job.job, "breach", describeFindings(findings));
}
