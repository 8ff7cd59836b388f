import { execFileSync } from "node:child_process";
import * as os from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { Home } from "./resources.ts";

/** Who declares: `<project>/<stack>`. */
export const stackOwner = (): string => `${pulumi.getProject()}/${pulumi.getStack()}`;

/** The machine at home as a resource. One a program is enough: pass it to every `Vps`; one that is not given any makes its own. */
export const declareHome = (name = "home", options?: pulumi.CustomResourceOptions): Home =>
  new Home(name, { owner: stackOwner() }, options);

/** Whose files the files at home are, and whose systemd runs the timers. */
export interface HomeAccount {
  readonly user: string;
  readonly group: string;
  readonly manager: "system" | "user";
}

/** Of the user that runs the program. Only `id` knows a group's name from every source that the system has. */
export function homeAccount(): HomeAccount {
  const { uid, username } = os.userInfo();
  if (uid === 0) return { user: "root", group: "root", manager: "system" };
  const group = execFileSync("id", ["-gn"], { encoding: "utf8", timeout: 10_000 }).trim();
  return { user: username, group, manager: "user" };
}
