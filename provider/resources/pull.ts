import * as fs from "node:fs/promises";
import { listArchives } from "../../pull/borg.ts";
import { due } from "../../pull/due.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger, type RunRecord } from "../../pull/ledger.ts";
import { describeProgress } from "../../pull/progress.ts";
import { runJob } from "../../pull/run.ts";
import { type PullInputs, pullInputs } from "../../schema/inputs.ts";
import type { LastGood } from "../../schema/last-good.ts";
import { homePaths } from "../../schema/paths.ts";
import { compare } from "../compare.ts";
import { type Context, type Kind, PartialFailure } from "../kind.ts";
import { readableHere, requireHome } from "../place.ts";

interface PullState extends Omit<PullInputs, "pull"> {
  /** The policy while it holds; while a pull is due, why. So a due pull is a difference. */
  readonly pull: string;
  readonly lastGood: LastGood | null;
  /** The repository's transaction in which the archive was last seen: the listing is read again only when it has moved on. */
  readonly transaction: number;
}

function lastGoodOf(record: RunRecord | undefined): LastGood | null {
  if (!record?.archive || record.finished === undefined) return null;
  const { files = 0, originalBytes = 0, newBytes = 0, seconds = 0 } = record.figures ?? {};
  const { name: archive, id } = record.archive;
  return {
    run: record.run,
    archive,
    id,
    finished: new Date(record.finished).toISOString(),
    files,
    originalBytes,
    newBytes,
    seconds,
  };
}

function recorded(job: string): LastGood | null {
  using ledger = openLedger(homePaths().stateDb);
  return lastGoodOf(ledger.lastGood(job));
}

/** The number in the name of borg's index file grows with each transaction (borg internals, "Index, hints and integrity"). */
async function transactionOf(repository: string): Promise<number> {
  const names = await fs.readdir(repository).catch(() => []);
  return Math.max(-1, ...names.flatMap((name) => /^index\.(\d+)$/.exec(name)?.[1] ?? []).map(Number));
}

/** The live state: what is recorded, whether its archive is still there, and whether a pull is due. */
async function look(
  desired: PullInputs,
  known: Pick<PullState, "transaction" | "lastGood"> | undefined,
): Promise<PullState> {
  const lastGood = recorded(desired.job);
  const { job, pull: policy, staleAfterSeconds } = desired;
  const seen = await archiveThere(desired, lastGood, known);
  const reason = due({
    job,
    policy,
    request: process.env.BORGPULL_PULL,
    lastGood: lastGood ? Date.parse(lastGood.finished) : undefined,
    archiveThere: seen.there,
    staleAfterSeconds,
    now: Date.now(),
  });
  return { ...desired, pull: reason ? `due: ${reason}` : policy, lastGood, transaction: seen.transaction };
}

async function archiveThere(
  desired: PullInputs,
  lastGood: LastGood | null,
  known: Pick<PullState, "transaction" | "lastGood"> | undefined,
): Promise<{ readonly there: boolean; readonly transaction: number }> {
  if (!lastGood) return { there: false, transaction: -1 };
  const { repository, passphraseFile } = readJobFile(desired.jobFile);
  const transaction = await transactionOf(repository);
  if (known?.transaction === transaction && known.lastGood?.id === lastGood.id)
    return { there: true, transaction };
  const archives = await listArchives({ repository, passphraseFile });
  const there = archives.some(({ id }) => id === lastGood.id);
  return { there, transaction: there ? transaction : -1 };
}

async function ensure(
  desired: PullInputs,
  known: PullState | undefined,
  context: Context,
): Promise<PullState> {
  requireHome(desired.home);
  const before = await look(desired, known);
  if (!before.pull.startsWith("due: ")) return before;
  const result = await runJob(desired.jobFile, {
    signal: context.signal,
    onProgress: (progress) => context.status(describeProgress(progress)),
    onNote: (text) => context.status(text),
  });
  const lastGood = recorded(desired.job);
  if (result.outcome === "failed") {
    const { problem = "The pull failed.", remedy = "" } = result.failure ?? {};
    throw new PartialFailure({ ...before, lastGood }, [`${problem} ${remedy}`.trim()]);
  }
  for (const warning of result.warnings) await context.warn(warning);
  const transaction = await transactionOf(readJobFile(desired.jobFile).repository);
  return { ...desired, lastGood, transaction };
}

/** What decides whether a pull is due, where nothing of home can be looked at: whether it is asked for. */
const elsewhere = { policy: "never", lastGood: undefined, archiveThere: false, now: 0 } as const;

/** A good backup exists, younger than staleAfterSeconds; when there is none, `up` pulls one. */
export const pull: Kind<PullInputs, PullState> = {
  inputs: pullInputs,
  computed: ["lastGood", "transaction"],
  changing: ["lastGood", "transaction"],
  id: ({ job }) => job,
  diff: (live, desired) =>
    compare(live, desired, ["pull", "jobFile", "staleAfterSeconds", "home", "owner"], ["job"]),
  rehearse: async ({ home }) => requireHome(home),
  create: (desired, context) => ensure(desired, undefined, context),
  read: async (known, inputs, context) => {
    if (await readableHere(inputs.home, context)) return look(inputs, known);
    // A pull that is asked for by name is shown, and refused by update, rather than passed over in silence.
    const request = process.env.BORGPULL_PULL ?? "never";
    const asked = due({
      ...elsewhere,
      job: inputs.job,
      request,
      staleAfterSeconds: inputs.staleAfterSeconds,
    });
    return asked ? { ...known, pull: `due: ${asked}` } : known;
  },
  update: (live, desired, context) => ensure(desired, live, context),
  remove: async (_known, inputs) => requireHome(inputs.home),
  leftovers: () => "nothing",
};
