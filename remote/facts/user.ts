import type { Fact } from "./fact.ts";

export type UserState =
  | { readonly kind: "absent" }
  | {
      readonly kind: "user";
      readonly uid: number;
      readonly gecos: string;
      readonly folder: string;
      readonly shell: string;
      /** "*" is no password but not locked, "!..." is locked, "set" is a usable password, "empty" asks for none, "expired" is an account whose day has come. */
      readonly password: "*" | "locked" | "set" | "empty" | "expired";
      /** Groups besides the one named like the account. */
      readonly groups: readonly string[];
    };

/** A Unix account as getent shows it. */
export const userState = (name: string): Fact<UserState> => ({
  call: ["user", name],
  parse: (output) => {
    const [passwd = "absent", shadow = "", groups = ""] = output.toString().split("\n");
    if (passwd === "absent") return { kind: "absent" };
    const [, , uid, , gecos, folder, shell] = passwd.split(":");
    return {
      kind: "user",
      uid: Number(uid),
      gecos: gecos ?? "",
      folder: folder ?? "",
      shell: shell ?? "",
      password: passwordOf(shadow),
      groups: groups.split(" ").filter((group) => group && group !== name),
    };
  },
});

/** @param shadow password and day of expiry, as in shadow */
function passwordOf(shadow: string): "*" | "locked" | "set" | "empty" | "expired" {
  const [password = "", expires = ""] = shadow.split(":");
  if (expires !== "" && Number(expires) * 86_400_000 <= Date.now()) return "expired";
  if (password === "*") return "*";
  if (password === "") return "empty";
  return password.startsWith("!") ? "locked" : "set";
}
