import type { Channel } from "../../schema/notify.ts";
import { post } from "./post.ts";
import { destinationOf } from "./secret.ts";

/** The end of the URL (healthchecks.io/docs/http_api): a run has begun, was good, failed; or only a word in the log. */
export type Ping = "start" | "good" | "fail" | "log";

/** Pings a dead man's switch. @throws UserError when it was not taken */
export async function ping(
  channel: Extract<Channel, { kind: "healthchecks" }>,
  which: Ping,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  const { url: base, name } = destinationOf(channel);
  const url = new URL(base);
  if (which !== "good") url.pathname = `${url.pathname.replace(/\/$/, "")}/${which}`;
  await post({
    to: { url, name },
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: text,
    signal,
  });
}
