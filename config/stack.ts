import { UserError } from "../schema/errors.ts";

/**
 * The options under `borgpull:` as one value for `parseConfig`, from all of a stack's config (`project:key` -> text). Pulumi gives
 * groups as JSON and plain values as they are. Throws UserError for a group that is no JSON.
 */
export function readStackConfig(all: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
  const ours = Object.entries(all).flatMap(([name, text]) => {
    const key = /^borgpull:(?:config:)?(.+)$/.exec(name)?.[1];
    return key === undefined ? [] : [[key, parsed(key, text)] as const];
  });
  return Object.fromEntries(ours);
}

const plain = new Set(["repositories", "instance", "metrics"]);

function parsed(key: string, text: string): unknown {
  if (plain.has(key)) return text;
  try {
    return JSON.parse(text);
  } catch {
    if (key === "hosts" || key === "defaults")
      throw new UserError(
        `borgpull:${key} is not a group of options.`,
        "Write it as in Pulumi.example.yaml.",
      );
    return text;
  }
}
