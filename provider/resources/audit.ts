import { readJobFile } from "../../pull/job.ts";
import { lockJobInTime } from "../../pull/lock.ts";
import { type AuditInputs, auditInputs } from "../../schema/inputs.ts";
import { homePaths } from "../../schema/paths.ts";
import { compare } from "../compare.ts";
import { type Context, type Kind, PartialFailure } from "../kind.ts";
import { requireHome } from "../place.ts";
import { untilPullsEnd } from "../vps-lock.ts";

interface AuditState extends AuditInputs {
  /** How many things were tried. */
  readonly attempts: number;
  /** What did not go as it must, a sentence each. */
  readonly failed: readonly string[];
}

const promises = { failed: [] } as const;
/** Where no terminal is, the engine prints a line for each status. */
const statusMilliseconds = 1000;

async function ensure(desired: AuditInputs, context: Context): Promise<AuditState> {
  requireHome(desired.home);
  const { audit: auditKey } = await import("../../pull/audit/audit.ts");
  const { failures } = await import("../../pull/audit/judge.ts");
  const { job, instance, pull: target } = readJobFile(desired.jobFile);
  using _lock = await lockJobInTime(homePaths().lock(job), job, untilPullsEnd(context));
  let said = Date.now();
  const attempts = await auditKey({
    target,
    instance,
    job,
    signal: context.signal,
    onAttempt: ({ tried }) => {
      if (Date.now() - said < statusMilliseconds) return;
      said = Date.now();
      context.status(`trying the pull key: ${tried}`);
    },
  });
  const failed = failures(attempts);
  const state = { ...desired, attempts: attempts.length, failed };
  if (failed.length === 0) return state;
  throw new PartialFailure(state, [
    ...failed,
    `The pull key of ${job} is not what it must be: look at sshd_config and every line with this key on the VPS. \`borgpull audit ${job}\` tries it again, and so does the next \`pulumi up\`.`,
  ]);
}

/** The pull key can do its job and nothing else: tried when it is made and whenever something changes that decides it. */
export const audit: Kind<AuditInputs, AuditState> = {
  inputs: auditInputs,
  computed: ["attempts", "failed"],
  promises,
  changing: ["attempts"],
  id: ({ job }) => job,
  diff: (live, desired) =>
    compare(live, { ...desired, ...promises }, ["failed", "of", "jobFile", "home", "owner"], ["job"]),
  rehearse: async ({ home }) => requireHome(home),
  create: (desired, context) => ensure(desired, context),
  // An audit takes a second or more and writes into sshd's log: not on every read.
  read: async (known) => known,
  update: (_live, desired, context) => ensure(desired, context),
  remove: async () => {},
  leftovers: () => "nothing",
};
