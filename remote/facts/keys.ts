import type { Fact } from "./fact.ts";

export interface KeyPlace {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** Every line of an authorized_keys file on the machine that holds this key (base64, no type). */
export const keyPlaces = (blob: string): Fact<readonly KeyPlace[]> => ({
  call: ["key", blob],
  parse: (output) =>
    output
      .toString()
      .split("\n")
      .flatMap((row) => {
        const match = /^(.*?):(\d+):(.*)$/.exec(row);
        return match ? [{ file: match[1] as string, line: Number(match[2]), text: match[3] as string }] : [];
      }),
});

export interface KeyLine {
  /** Option -> value, "" for one without. `command` is among them. */
  readonly options: Readonly<Record<string, string>>;
  readonly key: string;
  readonly comment: string;
}

/** Reads one line of authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT); undefined for a comment or what sshd would not take. */
export function parseKeyLine(text: string): KeyLine | undefined {
  let rest = text.trim();
  if (!rest || rest.startsWith("#")) return undefined;
  const options: Record<string, string> = {};
  const isKey = /^(?:ssh-|ecdsa-|sk-)\S+ +([A-Za-z0-9+/]+=*)(?: |$)/;
  if (!isKey.test(rest)) {
    for (;;) {
      const match = /^([A-Za-z0-9-]+)(?:="((?:[^"\\]|\\.)*)")?(,| +)/.exec(rest);
      if (!match) return undefined;
      const [whole, name, value, end] = match as unknown as [string, string, string | undefined, string];
      options[name.toLowerCase()] = value === undefined ? "" : value.replaceAll('\\"', '"');
      rest = rest.slice(whole.length);
      if (end !== ",") break;
    }
    if (!isKey.test(rest)) return undefined;
  }
  const [type, blob, ...comment] = rest.split(" ").filter(Boolean) as [string, string, ...string[]];
  return { options, key: `${type} ${blob}`, comment: comment.join(" ") };
}

/** Writes one line of authorized_keys. sshd knows one escape, \" inside a quoted value; a value with a backslash before a quote or at its end cannot be written. */
export function renderKeyLine({ options, key, comment }: KeyLine): string {
  // restrict takes away what was given before it; and a map's order is nobody's promise
  const ordered = Object.entries(options).toSorted(
    ([a], [b]) => Number(b === "restrict") - Number(a === "restrict"),
  );
  const list = ordered.map(([name, value]) => {
    if (/[\r\n\0]/.test(value) || /\\("|$)/.test(value))
      throw new TypeError(`option ${name}: this value cannot be written`);
    return value === "" ? name : `${name}="${value.replaceAll('"', '\\"')}"`;
  });
  return [list.join(","), key, comment].filter(Boolean).join(" ");
}
