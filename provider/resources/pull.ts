import * as fs from "node:fs";
import { due } from "../../pull/due.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger, type RunRecord } from "../../pull/ledger.ts";
import { describeProgress } from "../../pull/progress.ts";
import type { RunResult } from "../../pull/result.ts";
import { asRecorded } from "../../pull/trust/as-recorded.ts";
import { breachRemedy, describeBreach, describeFindings } from "../../pull/trust/describe.ts";
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
  /** "good", or "tampered: " and what was found, until a person has rolled back or accepted. */
  readonly trust: string;
}

const promises = { trust: "good" } as const;

/** What home has on record of a job. */
interface Recorded {
  readonly lastGood: LastGood | null;
  readonly trust: string;
  /** Whether the repository is as the records have it, so that the last good archive is there. */
  readonly there: boolean;
  /** Of the oldest open breach: what it is, and what to do. */
  readonly breach?: string;
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

/** Read without borg and without a lock, so that a preview neither waits for a pull nor holds one up. */
function recorded({ job, jobFile }: PullInputs): Recorded {
  const { stateDb } = homePaths();
  if (!fs.existsSync(stateDb)) return { lastGood: null, there: false, ...promises };
  using ledger = openLedger(stateDb);
  const lastGood = lastGoodOf(ledger.lastGood(job));
  const there = lastGood !== null && asRecorded(ledger, job, readJobFile(jobFile).repository);
  const [breach] = ledger.openBreaches(job);
  if (!breach) return { lastGood, there, ...promises };
  return {
    lastGood,
    there,
    trust: `tampered: ${describeFindings(breach.findings)}`,
    breach: `${describeBreach(breach)} ${breachRemedy(job)}`,
  };
}

/** The live state: what is recorded, how far it is trusted, and whether a pull is due. */
function look(desired: PullInputs): PullState {
  const { job, pull: policy, staleAfterSeconds } = desired;
  const { lastGood, there, trust } = recorded(desired);
  const reason = due({
    job,
    policy,
    request: process.env.BORGPULL_PULL,
    lastGood: lastGood ? Date.parse(lastGood.finished) : undefined,
    archiveThere: there,
    staleAfterSeconds,
    now: Date.now(),
  });
  return { ...desired, pull: reason ? `due: ${reason}` : policy, lastGood, trust };
}

/** What a pull needs is loaded for a pull: previews do without. */
async function backUpNow({ jobFile }: PullInputs, context: Context): Promise<RunResult> {
  const { backUp, describePause } = await import("../../pull/attempts.ts");
  return backUp(jobFile, {
    by: "pulumi up",
    signal: context.signal,
    onProgress: (progress) => context.status(describeProgress(progress)),
    onNote: context.status,
    onStep: context.status,
    onPause: (pause) => context.status(describePause(pause)),
  });
}

/** Pulls if that is due. A breach fails it then too, as long as it is open: nobody may miss it. */
async function ensure(desired: PullInputs, context: Context): Promise<PullState> {
  requireHome(desired.home);
  const before = look(desired);
  const result = before.pull.startsWith("due: ") ? await backUpNow(desired, context) : undefined;
  const { lastGood, trust, breach } = recorded(desired);
  const failed = result?.outcome === "failed";
  const { problem = "The pull failed.", remedy = "" } = result?.failure ?? {};
  for (const warning of failed ? [] : (result?.warnings ?? [])) await context.warn(warning);
  const state = { ...desired, pull: failed ? before.pull : desired.pull, lastGood, trust };
  const reasons = [...(failed ? [`${problem} ${remedy}`.trim()] : []), ...(breach ? [breach] : [])];
  if (reasons.length > 0) throw new PartialFailure(state, reasons);
  return state;
}

/** What decides whether a pull is due, where nothing of home can be looked at: whether it is asked for. */
const elsewhere = { policy: "never", lastGood: undefined, archiveThere: false, now: 0 } as const;

/** A good backup exists, younger than staleAfterSeconds, in a repository that nobody tampered with; when there is none, `up` pulls one. */
export const pull: Kind<PullInputs, PullState> = {
  inputs: pullInputs,
  computed: ["lastGood", "trust"],
  changing: ["lastGood"],
  promises,
  id: ({ job }) => job,
  diff: (live, desired) =>
    compare(
      live,
      { ...desired, ...promises },
      ["pull", "trust", "jobFile", "staleAfterSeconds", "home", "owner"],
      ["job"],
    ),
  rehearse: async ({ home }) => requireHome(home),
  create: ensure,
  read: async (known, inputs, context) => {
    if (await readableHere(inputs.home, context)) return look(inputs);
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
  update: (_live, desired, context) => ensure(desired, context),
  remove: async (_known, inputs) => requireHome(inputs.home),
  leftovers: () => "nothing",
};
