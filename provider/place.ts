/** Where a resource lives: on a VPS, or on the machine at home, which is one machine and one user. */
import * as fs from "node:fs";
import * as os from "node:os";
import type { Host } from "../remote/host.ts";
import { UserError } from "../schema/errors.ts";
import type { Target } from "../schema/target.ts";
import type { Context } from "./kind.ts";

/** `<machine id>/<uid>` of the machine and user this runs as. */
export function thisHome(): string {
  let machine: string;
  try {
    machine = fs.readFileSync("/etc/machine-id", "utf8").trim() || os.hostname();
  } catch {
    machine = os.hostname(); // a container without systemd has no machine id
  }
  return `${machine}/${os.userInfo().uid}`;
}

/** `BORGPULL_HOME=here`: the machine that this runs on becomes home. */
export const moving = (): boolean => process.env.BORGPULL_HOME === "here";

/** Throws unless this is the machine and user of the first `up`. */
export function requireHome(home: string): void {
  if (home === thisHome()) return;
  throw new UserError(
    "This is not the machine (or user) at home: repositories, keys and pulls belong to the one of the first `up`.",
    "Run `pulumi up` there; here a preview shows the changes to the VPSes. To move home to this machine, run `BORGPULL_HOME=here pulumi up` once.",
  );
}

/** Whether local things can be read here; if not, says so once and the caller answers with what was last known. */
export async function readableHere(home: string, context: Context): Promise<boolean> {
  if (home === thisHome()) return true;
  if (moving()) return false;
  await context.warnOnce(
    "This is not the machine at home: what is there is shown as last known, and nothing there can be changed.",
  );
  return false;
}

/** The machine that a resource is on. Throws ReachError for a VPS, UserError away from home. */
export async function hostOf(
  inputs: { readonly connection?: Target | undefined; readonly home?: string | undefined },
  context: Context,
): Promise<Host> {
  if (inputs.connection) return context.hosts.vps(inputs.connection);
  requireHome(inputs.home ?? "");
  return context.hosts.home;
}
