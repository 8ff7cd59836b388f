import { connect } from "../../remote/connect.ts";
import { ReachError } from "../../schema/errors.ts";
import { endpoint, type Target } from "../../schema/target.ts";
import { probe } from "../probe.ts";
import { newRun } from "../run.ts";
import { attempts } from "./attempts.ts";
import { type Attempt, judge } from "./judge.ts";
import { askSshd } from "./sshd.ts";

export interface AuditOptions {
  /** Login of the pull: the instance's account and the job's pull key. */
  readonly target: Target;
  readonly instance: string;
  readonly job: string;
  readonly signal?: AbortSignal;
  readonly onAttempt?: (attempt: Attempt) => void;
}

/**
 * Tries with a pull key what it must not be able to do, and what it must. Two connections, each with a login that works, so that
 * sshd (9.8 and newer) finds nothing to punish; nothing stays on the VPS. No pull of the job may run: hold its lock.
 * @throws ReachError when the VPS cannot be reached, lets the key in not at all, or is gone before the end
 */
export async function audit(options: AuditOptions): Promise<readonly Attempt[]> {
  const { target, instance, signal, onAttempt } = options;
  const signals = signal ? { signal } : {};
  const found: Attempt[] = [];
  const note = (attempt: Attempt) => {
    found.push(attempt);
    onAttempt?.(attempt);
  };
  await tryAll(options, note);
  // After all that: the login is not punished, the account can still do its work.
  const proved = await probe({ target, instance, ...signals });
  signal?.throwIfAborted();
  note(
    judge(
      "all that a pull needs",
      { kind: "works" },
      proved.ok ? { kind: "works" } : { kind: "failed", problem: proved.failure.problem },
    ),
  );
  return found;
}

async function tryAll(
  { target, instance, job, signal }: AuditOptions,
  note: (attempt: Attempt) => void,
): Promise<void> {
  let methods: readonly string[] = [];
  await using connection = await connect(target, {
    ...(signal ? { signal } : {}),
    onMethods: (offered) => {
      methods = offered;
    },
  });
  // Otherwise each question waits 40 ms for sshd's delayed acknowledgement of the one before.
  connection.client.setNoDelay(true);
  const sshd = askSshd(connection);
  const trials = attempts({ instance, job, run: newRun(), methods });
  for (const [index, { tried, expected, run }] of trials.entries()) {
    const seen = await run(sshd);
    signal?.throwIfAborted();
    if (seen.kind === "cut" && index < trials.length - 1) throw lost(target, tried, await connection.closed);
    note(judge(tried, expected, seen));
  }
}

const lost = (target: Target, tried: string, cause: Error | undefined): ReachError =>
  new ReachError(
    "connection-lost",
    `The connection to ${endpoint(target)} was lost while this was tried: ${tried}.`,
    "Run the audit again.",
    { cause },
  );
