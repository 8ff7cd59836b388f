/** The sentences for a session that did not end well. failures.ts has those that follow from a code or a name alone. */
import { vpsPaths } from "../../schema/paths.ts";
import { clean } from "../lines.ts";
import type { Failure } from "../result.ts";
import type { Context, Ran } from "./facts.ts";
import { borgctlFailures, borgFailures } from "./failures.ts";
import { isBorgctl, type Message } from "./messages.ts";

/** Why a session failed: what home itself did comes before what anybody says, a known sentence before an unknown one. */
export function failureOf(facts: Ran, context: Context): Failure {
  const { host } = context;
  switch (facts.ended) {
    case "cancelled":
      return {
        kind: "cancelled",
        problem: `The pull of ${host} was cancelled.`,
        remedy: "Run it again; what was already sent is not sent twice.",
      };
    case "timed-out":
      return {
        kind: "timed-out",
        problem: `The pull of ${host} did not end within ${context.totalSeconds} s.`,
        remedy: "Run it again, it goes on from its last checkpoint; or raise limits.totalSeconds.",
      };
    case "stalled":
      return {
        kind: "stalled",
        problem: `Nothing came from ${host} for ${context.stallSeconds} s.`,
        remedy: "Look at that machine's load, disks and hooks, or raise limits.stallSeconds.",
      };
  }
  return (
    endedByHome(facts, context) ??
    diskFull(facts, context) ??
    ownCode(facts, context) ??
    borgFailure(facts, context) ??
    lost(facts, context) ??
    tornCache(facts, context) ??
    unknown(facts, context)
  );
}

/** What home itself cut short, whatever the VPS then says of it. */
function endedByHome({ served }: Ran, { host }: Context): Failure | undefined {
  const { refusal, fullAtHome } = served;
  if (refusal) {
    return {
      kind: "forbidden-request",
      problem: `${host} asked borg for something that no backup asks for (${refusal.method}: ${refusal.reason}); it was refused.`,
      remedy: "Find out what happened on that machine.",
    };
  }
  if (fullAtHome === "space") {
    return {
      kind: "disk-full-home",
      problem: "The disk of the repository is all but full, and the rest is kept free.",
      remedy: "Make room on this machine, then run it again.",
    };
  }
  if (fullAtHome === "quota") {
    return {
      kind: "disk-full-home",
      problem: `The repository has reached its quota; ${host} sent more.`,
      remedy:
        "Raise limits.quota, or have less kept; if it grew without reason, find out what that machine sends.",
    };
  }
  return undefined;
}

/** borg 1.2 has no exit code for it: the text of an error, and who said it. */
function diskFull({ messages, served }: Ran, { host }: Context): Failure | undefined {
  const full = /No space left on device|\[Errno 28\]|Insufficient ?Free ?Space|disk quota exceeded/i;
  const here: Failure = {
    kind: "disk-full-home",
    problem: "The disk of the repository is full.",
    remedy: "Make room on this machine, then run it again.",
  };
  if (served.messages.some((text) => full.test(text))) return here;
  const said = messages.find((message) => full.test(textOf(message)));
  if (!said) return undefined;
  // An error of borg serve comes back with the name of its class as msgid; one of the VPS's own borg is "Exception".
  const remote =
    said.type === "log" && /^(OSError|InsufficientFreeSpaceError|.*RPCError)$/.test(said.msgid ?? "");
  if (remote) return here;
  return {
    kind: "disk-full-vps",
    problem: `The disk of ${host} is full: borg has no room for its cache.`,
    remedy: "Make room on that machine, then run it again.",
  };
}

const textOf = (message: Message): string =>
  message.type === "text" || message.type === "log" ? message.message : "";

function ownCode({ exitCode, greeting, messages }: Ran, context: Context): Failure | undefined {
  if (exitCode === undefined) return undefined;
  if ((exitCode === 126 || exitCode === 127) && !greeting) return borgctlMissing(context);
  const own = borgctlFailures[exitCode];
  if (!own) return undefined;
  if (own.kind === "forwarding-refused") return forwardingRefused(context);
  const said = messages.findLast(isBorgctl);
  const sentence = said ? textOf(said).slice("borgctl: ".length) : own.problem;
  return { kind: own.kind, problem: `${context.host}: ${sentence.replace(/\.?$/, ".")}`, remedy: own.remedy };
}

function borgFailure({ exitCode, messages }: Ran, { host }: Context): Failure | undefined {
  const errors = messages.filter((message) => message.type === "log" && message.level === "error");
  const msgids = errors.flatMap((message) =>
    message.type === "log" && message.msgid ? [message.msgid] : [],
  );
  const byName = borgFailures.find(({ names }) =>
    names.some((name) => msgids.some((id) => id === name || id.endsWith(`.${name}`))),
  );
  // Codes second: borg 1.2 has none, and over a remote repository they are right from 1.4.1 only (borg #8631).
  const known =
    byName ?? borgFailures.find(({ codes }) => exitCode !== undefined && codes.includes(exitCode));
  return known && { kind: known.kind, problem: known.problem.replace("HOST", host), remedy: known.remedy };
}

function lost({ exitCode, ended, greeting }: Ran, { host, instance }: Context): Failure | undefined {
  if (exitCode !== undefined && ended === "exit") return undefined;
  return {
    kind: "connection-lost",
    problem: `The connection to ${host} was lost in the middle of the pull.`,
    remedy: greeting
      ? "Run it again, it goes on from its last checkpoint."
      : `Run it again; if it stays, look at sshd's log for ${instance}.`,
  };
}

/** borg has no word of its own for a cache that a power cut has torn: it ends with a traceback, run after run. */
function tornCache({ messages }: Ran, { host, instance }: Context): Failure | undefined {
  const torn = /borg\/cache\.py", line \d+, in (_do_open|load)\b|integrity check[^\n]*\/\.cache\/borg\//;
  if (!messages.some((message) => torn.test(textOf(message)))) return undefined;
  return {
    kind: "borg-error",
    problem: `borg's cache on ${host} is damaged.`,
    remedy: `On that machine: rm -rf /var/cache/${instance}/*/.cache/borg ${vpsPaths(instance).home}/.cache/borg; the next run makes it anew.`,
  };
}

function unknown({ exitCode, greeting, messages, served }: Ran, { host }: Context): Failure {
  const said = messages.findLast(
    (message) => message.type === "text" || (message.type === "log" && message.level === "error"),
  );
  const text = clean((said && textOf(said)) ?? served.messages.at(-1) ?? "it said nothing", 300);
  return {
    kind: "borg-error",
    problem: `${greeting ? "borg" : "borgctl"} on ${host} failed with exit code ${exitCode}: ${text.replace(/\.?$/, ".")}`,
    remedy: "Look at what it says; the run's record has it too.",
  };
}

/** sshd did not give us the socket. */
export const forwardingRefused = ({ host, instance }: Context): Failure => ({
  kind: "forwarding-refused",
  problem: `${host} refuses to forward the socket for ${instance}.`,
  remedy: `sshd needs "AllowTcpForwarding remote" (or yes) and "AllowStreamLocalForwarding remote" (or yes) for ${instance}, no DisableForwarding, and /run/${instance} must exist: run "pulumi up".`,
});

const borgctlMissing = ({ host, instance }: Context): Failure => ({
  kind: "borgctl-missing",
  problem: `borgctl is missing on ${host}, or ${instance} may not run it.`,
  remedy: 'Run "pulumi up", which puts it there.',
});
