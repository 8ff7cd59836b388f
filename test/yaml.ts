import * as fs from "node:fs";
import { createRequire } from "node:module";

/** js-yaml comes without types. */
const { load } = createRequire(import.meta.url)("js-yaml") as { load(text: string): unknown };

export const readYaml = (file: string | URL): unknown => load(fs.readFileSync(file, "utf8"));

/** The `config:` of a Pulumi.<stack>.yaml as Pulumi hands it to a program: groups as JSON, texts as they are. */
export function stackConfigOf(config: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}
