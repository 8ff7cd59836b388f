/** Ways to tell a person of a job's state: in the job file, without a secret in it. */
import * as z from "zod";
import { absolutePath } from "./names.ts";

/**
 * What a person is told of. dumps-failed: a backup was made, without all of its dumps; warning: it was made, with any other warning;
 * recovered: the end of any other.
 */
export const tellable = ["failed", "tampered", "stale", "dumps-failed", "warning", "recovered"] as const;
export type Tellable = (typeof tellable)[number];

const httpUrl = z.url({ protocol: /^https?$/, error: "an http or https URL" });
/** The URL itself, or the file that it is in, when it is a secret. */
const url = { url: httpUrl.optional(), urlFile: absolutePath.optional() };
const oneUrl = (channel: { readonly url?: unknown; readonly urlFile?: unknown }): boolean =>
  (channel.url === undefined) !== (channel.urlFile === undefined);
const exactlyOne = "exactly one of url and urlFile";
/** @default all but "warning" */
const on = z.array(z.enum(tellable)).min(1).optional();
const mailbox = z.string().regex(/^[^\s@<>]+@[^\s@<>]+$/, "an address such as me@example.com");

export const channel = z.discriminatedUnion("kind", [
  /** ntfy.sh or one's own: the URL names the topic. */
  z
    .strictObject({ kind: z.literal("ntfy"), ...url, tokenFile: absolutePath.optional(), on })
    .refine(oneUrl, exactlyOne),
  /** A dead man's switch (healthchecks.io or one's own): pinged after each run, with /start before and /fail after a failure or where a dump failed. */
  z.strictObject({ kind: z.literal("healthchecks"), ...url }).refine(oneUrl, exactlyOne),
  /** A POST of the template's text; without a template, of the notice as JSON. */
  z
    .strictObject({
      kind: z.literal("webhook"),
      ...url,
      /** Handlebars over the notice; `{{json field}}` quotes for JSON. */
      template: z.string().optional(),
      contentType: z.string().optional(),
      on,
    })
    .refine(oneUrl, exactlyOne),
  z.strictObject({
    kind: z.literal("mail"),
    to: z.union([mailbox, z.array(mailbox).min(1)]),
    from: mailbox,
    host: z.string().min(1),
    /** @default 587; 465 with security "tls", 25 with "none" */
    port: z.int().min(1).max(65535).optional(),
    /** @default "starttls" */
    security: z.enum(["tls", "starttls", "none"]).optional(),
    user: z.string().optional(),
    passwordFile: absolutePath.optional(),
    on,
  }),
  /** Run by /bin/sh at home; the notice is in BORGPULL_* variables, and as JSON on its stdin. */
  z.strictObject({ kind: z.literal("command"), run: z.string().min(1), on }),
]);
export type Channel = z.infer<typeof channel>;

/** Name -> channel. */
export const channels = z.record(
  z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "1 to 40 of a-z, 0-9 and -"),
  channel,
);
export type Channels = z.infer<typeof channels>;
