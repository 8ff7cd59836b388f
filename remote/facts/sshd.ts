import type { Fact } from "./fact.ts";

/** sshd's settings as `sshd -T` prints them, keyword in lower case; a keyword on several lines has its values joined by a blank. */
export type SshdSettings = Readonly<Record<string, string>>;

export interface SshdState {
  /** In force for the account; undefined, with the reason, when sshd refuses the configuration on disk. */
  readonly effective: SshdSettings | undefined;
  readonly refusal: string;
  /** What the drop-in alone would put in force: the same settings in sshd's own spelling. */
  readonly alone: SshdSettings | undefined;
  /** Whether the running sshd has read the drop-in since it last changed. */
  readonly loaded: boolean;
  /** A change was made and not proved: its host is about to put the old file back. */
  readonly pending: boolean;
}

/** The settings in force for an account, and whether the drop-in is loaded. */
export const sshdState = (user: string, path: string): Fact<SshdState> => ({
  call: ["sshd", user, path],
  parse: (output) => {
    const [effective = "", rest = ""] = output.toString().split("== alone\n");
    const [alone = "", loaded = ""] = rest.split("== loaded\n");
    return {
      effective: parseSshdT(effective),
      refusal: effective.trim(),
      alone: parseSshdT(alone),
      loaded: loaded.trim() === "yes",
      pending: loaded.trim() === "pending",
    };
  },
});

/** Reads the output of `sshd -T`; undefined when it is not one (sshd said what is wrong instead). */
export function parseSshdT(text: string): SshdSettings | undefined {
  const settings = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([a-z][a-z0-9]*) (.*)$/.exec(line);
    if (!match) continue;
    const [, keyword, value] = match as unknown as [string, string, string];
    const before = settings.get(keyword);
    settings.set(keyword, before === undefined ? value : `${before} ${value}`);
  }
  return settings.has("port") ? Object.fromEntries(settings) : undefined;
}

/**
 * The wanted settings as they are in force: a setting that holds keeps its wanted spelling ("5m" for sshd's 300), one that does not
 * shows sshd's value.
 * @param alone what the wanted drop-in alone gives: the translation between the two spellings; {} when it is not on disk as wanted
 */
export function settingsInForce(
  wanted: Readonly<Record<string, string>>,
  effective: SshdSettings,
  alone: SshdSettings,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(wanted).map(([keyword, value]) => {
      const key = keyword.toLowerCase();
      const now = effective[key] ?? "(unset)";
      const holds = key in alone ? alone[key] === now : now.toLowerCase() === value.toLowerCase();
      return [keyword, holds ? value : now];
    }),
  );
}
