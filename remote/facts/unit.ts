import type { Fact } from "./fact.ts";

export type UnitState =
  | { readonly kind: "no-systemd" }
  | { readonly kind: "unit"; readonly enabled: string; readonly active: string; readonly loaded: boolean };

/** What systemd holds of a unit: is-enabled, is-active, and whether it has loaded what is on disk. */
export const unitState = (manager: "system" | "user", name: string): Fact<UnitState> => ({
  call: ["unit", manager, name],
  parse: (output) => {
    const [enabled = "", active = "", reload = ""] = output.toString().split("\n");
    if (enabled === "none" || reload === "none") return { kind: "no-systemd" };
    return { kind: "unit", enabled, active, loaded: reload !== "yes" };
  },
});
