import { connect } from "../remote/connect.ts";
import { ReachError } from "../schema/errors.ts";
import { vpsPaths } from "../schema/paths.ts";
import { endpoint, type Target } from "../schema/target.ts";
import type { Failure } from "./result.ts";
import { newRun } from "./run.ts";
import { classify } from "./session/classify.ts";
import { type Greeting, parseMessage, parseOutput } from "./session/messages.ts";

export type ProbeResult =
  | { readonly ok: true; readonly vps: Greeting }
  | { readonly ok: false; readonly failure: Failure };

/**
 * Proves that a pull could begin, by doing all of it but borg: login, forced command, the passphrase's variable (with a dummy),
 * the forwarded socket, sudo and the helper, the job's settings, borg's version, the relay. It leaves nothing on the VPS.
 * @param options.target login of the pull: the instance's account and the job's pull key
 */
export async function probe(options: {
  readonly target: Target;
  readonly instance: string;
  readonly signal?: AbortSignal;
  readonly timeoutSeconds?: number;
}): Promise<ProbeResult> {
  const { target, instance, signal } = options;
  const context = { host: endpoint(target), instance, totalSeconds: 0, stallSeconds: 0 };
  const timeoutSeconds = options.timeoutSeconds ?? 90;
  const run = newRun();
  const judge = (facts: Parameters<typeof classify>[0]): ProbeResult => {
    const verdict = classify(facts, context);
    if (verdict.outcome !== "failed") throw new Error("a probe makes no archive");
    return { ok: false, failure: verdict.failure };
  };
  try {
    await using connection = await connect(target, signal ? { signal } : {});
    const refused = await new Promise<Error | undefined>((resolve) => {
      connection.client.openssh_forwardInStreamLocal(`${vpsPaths(instance).run}/${run}.sock`, (error) =>
        resolve(error ?? undefined),
      );
      void connection.closed.then((error) => resolve(error ?? new Error("the connection was closed")));
    });
    // Asked all the same: what borgctl says may name the cause (a session that opens shows that the login is right).
    const { code, stdout, stderr } = await connection.exec(`probe ${run}`, {
      env: { BORG_PASSPHRASE: "probe" },
      timeoutSeconds,
      ...(signal ? { signal } : {}),
    });
    const { greeting } = parseOutput(stdout.toString());
    if (code === 0 && greeting && !refused) return { ok: true, vps: greeting };
    if (refused) return judge({ stage: "forward", reason: refused.message });
    const messages = stderr
      .toString()
      .split("\n")
      .flatMap((line) => (line ? (parseMessage(line) ?? []) : []));
    const served = { connected: false, refused: 0, bytesIn: 0, bytesOut: 0, messages: [], ignoredPuts: 0 };
    if (code === 0) {
      return {
        ok: false,
        failure: {
          kind: "command-refused",
          problem: `${context.host} answered the probe with something that is not borgctl's.`,
          remedy:
            "The key reaches another command: look for a second line with this key in the account's key files.",
        },
      };
    }
    return judge({
      stage: "ran",
      ended: code === undefined ? "lost" : "exit",
      exitCode: code,
      messages,
      served,
    });
  } catch (error) {
    if (error instanceof ReachError) return judge({ stage: "connect", error });
    throw error;
  }
}
