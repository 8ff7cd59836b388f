import type { Fact } from "./fact.ts";

const names = [
  "os",
  "openssh",
  "systemd",
  "booted",
  "sudo",
  "sudoVersion",
  "visudo",
  "setpriv",
  "borg",
  "nc",
  "python3",
  "flock",
  "include",
] as const;

/** What a machine has of what a pull needs: version or path, "" for what is missing. */
export type Capabilities = Readonly<Record<(typeof names)[number], string>>;

export const capabilities: Fact<Capabilities> = {
  call: ["capabilities"],
  parse: (output) => {
    const found = new Map(
      output
        .toString()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    return Object.fromEntries(names.map((name) => [name, found.get(name) ?? ""])) as Capabilities;
  },
};
