import { ReachError } from "../schema/errors.ts";
import { endpoint } from "../schema/target.ts";
import { batcher } from "./batch.ts";
import type { Connection, ExecOptions, ExecResult } from "./connect.ts";
import { foresight } from "./foresight.ts";
import { type Host, scriptText } from "./host.ts";
import { commandLine } from "./quote.ts";
import { sessionLimit } from "./session-limit.ts";

/** A VPS over one connection: every command as root, by `sudo -n` where the login is somebody else. */
export function sshHost(connection: Connection): Host {
  const { target } = connection;
  const name = endpoint(target);
  const limited = sessionLimit();
  const asRoot = target.user === "root" ? [] : ["sudo", "-n", "--"];
  /** @param again run once more when the command was cut off: sshd now and then ends a session that it has just begun */
  const shell = async (
    argv: readonly string[],
    options: ExecOptions,
    again: boolean,
  ): Promise<ExecResult> => {
    const result = await limited(() =>
      connection.exec(commandLine([...asRoot, "/bin/sh", ...argv]), options),
    );
    if (result.code === undefined && again) return shell(argv, options, false);
    if (asRoot.length > 0) refuseWithoutSudo(result, target.user, name);
    if (result.code === undefined) {
      throw new ReachError("connection-lost", `${name}: the command was cut off.`, "Run it again.");
    }
    return result;
  };
  const fact = batcher((script) => shell(["-s"], { stdin: script, timeoutSeconds: 60 }, true), name);
  const { lookAhead, foreseen, forget } = foresight(fact);
  return {
    name,
    fact,
    foreseen,
    lookAhead,
    run: (script, args, { stdin, signal, timeoutSeconds } = {}) => {
      forget();
      return shell(
        ["-c", scriptText(script), script, ...args],
        {
          ...(stdin === undefined ? {} : { stdin }),
          ...(signal ? { signal } : {}),
          ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
        },
        script !== "sshd", // each of its verbs is once
      );
    },
  };
}

function refuseWithoutSudo({ code, stderr }: ExecResult, user: string, name: string): void {
  const text = stderr.toString();
  if (
    code !== 0 &&
    /^sudo: .*(password is required|not in the sudoers|may not run|terminal is required)/m.test(text)
  ) {
    throw new ReachError(
      "sudo-refused",
      `${name}: ${user} may not run commands as root without a password (${text.trim().split("\n")[0]}).`,
      `Log in as root, or give ${user} a line such as "${user} ALL=(ALL) NOPASSWD: ALL" with visudo.`,
    );
  }
  if (code === 127 && /sudo.*(not found|No such file)/.test(text)) {
    throw new ReachError(
      "sudo-refused",
      `${name}: sudo is not installed, and ${user} is not root.`,
      'Log in as root (user: root), or install sudo with "apt-get install sudo".',
    );
  }
}
