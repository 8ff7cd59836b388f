import { UserError } from "../../schema/errors.ts";
import type { Channel } from "../../schema/notify.ts";
import { describeEnd, shellAtHome } from "../run/home-shell.ts";
import type { Notice } from "./notice.ts";

/**
 * Runs a person's own command; the notice is in its environment and on its stdin.
 * @throws UserError when it failed; the signal's reason
 */
export async function command(
  channel: Extract<Channel, { kind: "command" }>,
  notice: Notice,
  signal: AbortSignal,
): Promise<void> {
  const end = await shellAtHome({
    run: channel.run,
    env: environment(notice),
    stdin: `${JSON.stringify(notice)}\n`,
    signal,
  });
  if (end.how === "exit" && end.code === 0) return;
  signal.throwIfAborted();
  throw new UserError(`Its command ${describeEnd(end)}.`, "Try it by hand.");
}

const environment = (notice: Notice): Record<string, string> => ({
  BORGPULL_JOB: notice.job,
  BORGPULL_HOST: notice.host,
  BORGPULL_STATE: notice.state,
  BORGPULL_BEFORE: notice.before ?? "",
  BORGPULL_PROBLEM: notice.problem ?? "",
  BORGPULL_REMEDY: notice.remedy ?? "",
  BORGPULL_ARCHIVE: notice.archive ?? "",
  BORGPULL_RUN: notice.run ?? "",
});
