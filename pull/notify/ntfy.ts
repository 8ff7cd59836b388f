import type { Channel } from "../../schema/notify.ts";
import { type Notice, textOf, titleOf } from "./notice.ts";
import { post } from "./post.ts";
import { destinationOf, readSecret } from "./secret.ts";

/** Priority 1 to 5 and tags, which are shown as emoji (docs.ntfy.sh/publish). */
const looks: Readonly<Record<Notice["state"], { readonly priority: string; readonly tags: string }>> = {
  tampered: { priority: "5", tags: "rotating_light" },
  failed: { priority: "4", tags: "x" },
  stale: { priority: "4", tags: "hourglass" },
  "dumps-failed": { priority: "4", tags: "warning" },
  warning: { priority: "3", tags: "warning" },
  recovered: { priority: "3", tags: "white_check_mark" },
  test: { priority: "2", tags: "test_tube" },
};

/** Publishes to an ntfy topic. @throws UserError when it was not taken */
export async function ntfy(
  channel: Extract<Channel, { kind: "ntfy" }>,
  notice: Notice,
  signal: AbortSignal,
): Promise<void> {
  const { priority, tags } = looks[notice.state];
  const token = channel.tokenFile && readSecret(channel.tokenFile, "this token");
  await post({
    to: destinationOf(channel),
    headers: {
      "content-type": "text/plain; charset=utf-8",
      title: headerText(titleOf(notice)),
      priority,
      tags,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: textOf(notice),
    signal,
  });
}

/** Bytes of text in one encoded word: 75 characters, as RFC 2047 has it, are enough for 45 in base64. */
const wordBytes = 45;

/**
 * Text as an HTTP header's value: as it is where it is printable ASCII, else as encoded words (RFC 2047), which ntfy reads.
 * A line break cannot come through.
 */
export function headerText(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes("=?")) return text;
  const words: string[] = [];
  let part = "";
  for (const character of text) {
    if (Buffer.byteLength(part + character) > wordBytes) {
      words.push(part);
      part = "";
    }
    part += character;
  }
  return [...words, part].map((word) => `=?UTF-8?B?${Buffer.from(word).toString("base64")}?=`).join(" ");
}
