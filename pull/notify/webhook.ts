import Handlebars from "handlebars";
import { UserError } from "../../schema/errors.ts";
import type { Channel } from "../../schema/notify.ts";
import { clean } from "../lines.ts";
import type { Notice } from "./notice.ts";
import { post } from "./post.ts";
import { destinationOf } from "./secret.ts";

/** POSTs the notice, as JSON or as its template has it. @throws UserError when it was not taken */
export async function webhook(
  channel: Extract<Channel, { kind: "webhook" }>,
  notice: Notice,
  signal: AbortSignal,
): Promise<void> {
  const { template, contentType = "application/json" } = channel;
  const body = template === undefined ? JSON.stringify(notice) : fillTemplate(template, contentType, notice);
  await post({ to: destinationOf(channel), headers: { "content-type": contentType }, body, signal });
}

/** Every field, so that a template can name those that this notice has not: they are empty. */
const allFields = (notice: Notice) => ({
  before: "",
  problem: "",
  remedy: "",
  archive: "",
  run: "",
  ...notice,
});

const isForm = (contentType: string): boolean =>
  /^\s*application\/x-www-form-urlencoded\b/i.test(contentType);
const isJson = (contentType: string): boolean => /^\s*application\/([^;\s]+\+)?json\b/i.test(contentType);
const insideQuotes = (text: string): string => JSON.stringify(text).slice(1, -1);

/**
 * A person's template over a notice. In JSON `{{problem}}` is escaped to stand between quotes, and `{{json problem}}` brings its
 * own; in a form it is encoded (a VPS could else add fields); in any other content type the text is as it is. `{{json this}}` is the whole notice.
 * @throws UserError when the template is none, names a field that there is not, or its JSON is none
 */
export function fillTemplate(template: string, contentType: string, notice: Notice): string {
  const json = isJson(contentType);
  const fields = allFields(notice);
  const fit = json ? insideQuotes : isForm(contentType) ? encodeURIComponent : (text: string) => text;
  const shown = Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, fit(text)]));
  const handlebars = Handlebars.create();
  handlebars.registerHelper("json", (value: unknown) => {
    if (typeof value !== "string") return JSON.stringify(fields);
    return json ? `"${value}"` : JSON.stringify(value);
  });
  let text: string;
  try {
    text = handlebars.compile(template, { noEscape: true, strict: true })(shown);
  } catch (cause) {
    // Of a parser's error what is wrong, and where.
    const said = clean((cause as Error).message.split("\n").slice(0, 2).join(" "), 200);
    const apart = template.includes("}}}") ? " Between }} and } there must be a blank." : "";
    throw new UserError(
      `Its template cannot be filled: ${said}.`,
      `The fields are ${names(fields)}.${apart}`,
      {
        cause,
      },
    );
  }
  if (json) requireJson(text);
  return text;
}

const names = (fields: object): string => Object.keys(fields).toSorted().join(", ");

function requireJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new UserError(
      "What its template makes is not JSON.",
      'Write {{json problem}} without quotes around it, or "{{problem}}" with them; or give another contentType.',
      { cause },
    );
  }
}
