import { UserError } from "../../schema/errors.ts";
import type { Channel } from "../../schema/notify.ts";
import { command } from "./command.ts";
import { ping } from "./healthchecks.ts";
import { mail } from "./mail.ts";
import { type Notice, textOf, titleOf } from "./notice.ts";
import { ntfy } from "./ntfy.ts";
import { webhook } from "./webhook.ts";

/** Whatever a server does, it is over after this long; a person's own command may take longer. */
const limitSeconds = ({ kind }: Channel): number => (kind === "command" ? 60 : 15);

/**
 * Sends over a channel within its time.
 * @returns undefined when it was taken, else why not, in sentences without a secret in them
 */
export async function attempt(
  channel: Channel,
  send: (signal: AbortSignal) => Promise<void>,
  seconds = limitSeconds(channel),
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(seconds * 1000);
  try {
    await send(signal);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    if (!signal.aborted) return bug(error as NodeJS.ErrnoException);
    const remedy = channel.kind === "command" ? "Try it by hand." : "Look at that server.";
    return `It did not end within ${seconds} s. ${remedy}`;
  }
}

/** Only name and code: its text may hold what was sent. */
const bug = ({ name, code }: NodeJS.ErrnoException): string =>
  `${name}${code ? ` (${code})` : ""}: this is a bug of borgpull; please report it.`;

/** The sentences of `attempt`, and whose they are. */
export const notTold = (name: string, channel: Channel, why: string): string =>
  `${name} (${channel.kind}) was not told. ${why}`;

/** A test is a word in the log of a dead man's switch: it stays as it is. @throws UserError when it was not taken; the signal's reason */
export function sendNotice(channel: Channel, notice: Notice, signal: AbortSignal): Promise<void> {
  switch (channel.kind) {
    case "ntfy":
      return ntfy(channel, notice, signal);
    case "webhook":
      return webhook(channel, notice, signal);
    case "mail":
      return mail(channel, notice, signal);
    case "command":
      return command(channel, notice, signal);
    case "healthchecks":
      return ping(channel, "log", `${titleOf(notice)}\n${textOf(notice)}`, signal);
  }
}
