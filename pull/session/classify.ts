import { clean } from "../lines.ts";
import type { Failure } from "../result.ts";
import type { Context, Ran, SessionFacts } from "./facts.ts";
import { borgctlFailures } from "./failures.ts";
import { isBorgctl, type Report } from "./messages.ts";
import { failureOf, forwardingRefused } from "./why-failed.ts";

export type Verdict =
  | {
      readonly outcome: "good" | "warning";
      readonly report: Report;
      readonly warnings: readonly string[];
      /** Names of the dumps that are not whole. */
      readonly failedDumps: readonly string[];
    }
  | { readonly outcome: "failed"; readonly failure: Failure; readonly warnings: readonly string[] };

/** Judges a finished session. "good" here is the VPS's word: the repository itself is asked next. */
export function classify(facts: SessionFacts, context: Context): Verdict {
  if (facts.stage === "connect") {
    const { failure, problem, remedy } = facts.error;
    return failed({ kind: failure, problem, remedy });
  }
  if (facts.stage === "forward") return failed(forwardingRefused(context));
  if (facts.stage === "command") {
    return failed({
      kind: "command-refused",
      problem: `${context.host} opened no session for the pull: ${clean(facts.reason)}.`,
      remedy: `Check MaxSessions (at least 1) in sshd_config for ${context.instance}.`,
    });
  }
  const warnings = [...skewedClock(facts, context), ...warningsOf(facts)];
  const { exitCode, report } = facts;
  if (exitCode === 0 || isWarning(exitCode, report)) {
    if (!report) {
      return failed(
        {
          kind: "not-verified",
          problem: `${context.host} says that the backup is made, and not which archive it is.`,
          remedy: "Run it again; if it stays, look at borgctl on that machine.",
        },
        warnings,
      );
    }
    // Borg's judgement, save that nobody else has any business at the socket.
    const outcome = exitCode === 0 && facts.served.refused === 0 ? "good" : "warning";
    return { outcome, report, warnings, failedDumps: failedDumps(facts) };
  }
  return failed(failureOf(facts, context), warnings);
}

const failed = (failure: Failure, warnings: readonly string[] = []): Verdict => ({
  outcome: "failed",
  failure,
  warnings,
});

/** 213: the backup is made, its after hook failed; 217: not all of its dumps are. 1 of borg 1.2, 100 to 127 of borg 1.4: the archive is there, some file is not. */
function isWarning(exitCode: number | undefined, report: Report | undefined): boolean {
  if (exitCode === undefined || !report) return false;
  return ownWarnings.includes(exitCode) || exitCode === 1 || (exitCode >= 100 && exitCode <= 127);
}

const someDumpsFailed = 217;
const ownWarnings: readonly (number | undefined)[] = [213, someDumpsFailed];

function failedDumps(ran: Ran): readonly string[] {
  const named = namedDumps(ran);
  // Of very many messages not all are kept.
  return named.length === 0 && ran.exitCode === someDumpsFailed ? ["(not named)"] : named;
}

function namedDumps({ messages }: Ran): readonly string[] {
  const named = messages.flatMap((message) =>
    message.type === "log" && message.level === "warning" ? (message.dump ?? []) : [],
  );
  return [...new Set(named)].slice(0, 100);
}

/** Home goes by its own clock; times in the archive, expiry of the pull key and whatever else runs there go by that of the VPS. */
function skewedClock({ greeting, greeted }: Ran, { host }: Context): readonly string[] {
  if (greeting?.time === undefined || greeted === undefined) return [];
  const minutes = Math.round((greeting.time - greeted / 1000) / 60);
  if (Math.abs(minutes) < 5) return [];
  const [amount, unit] = Math.abs(minutes) < 120 ? [minutes, "minutes"] : [Math.round(minutes / 60), "hours"];
  const which = amount > 0 ? "ahead of" : "behind";
  return [`The clock of ${host} is ${Math.abs(amount)} ${unit} ${which} home's: set one of them right.`];
}

/** What a person should read: warnings of borg and borgctl, and whoever else came to the socket. */
function warningsOf(ran: Ran): readonly string[] {
  const { messages, served, exitCode = -1 } = ran;
  // The last words of a borgctl that failed are the failure's; dumps that failed were named already.
  const told = exitCode in borgctlFailures || (exitCode === someDumpsFailed && namedDumps(ran).length > 0);
  const last = told ? messages.findLast(isBorgctl) : undefined;
  const said = messages.flatMap((message) => {
    if (message.type === "log") return message.level === "warning" ? [clean(message.message)] : [];
    return isBorgctl(message) && message !== last ? [message.message] : [];
  });
  const strangers =
    served.refused > 0
      ? [
          `${served.refused} more connection(s) to the forwarded socket were refused: something else on that machine tried to reach the repository.`,
        ]
      : [];
  const again =
    served.ignoredPuts > 0
      ? [
          `${served.ignoredPuts} object(s) that were in the repository before were sent again: what was there stays.`,
        ]
      : [];
  // At the beginning: borg's own may be any number.
  return [...again, ...strangers, ...said].slice(0, 50);
}
