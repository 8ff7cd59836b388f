/** How a host is reached, by the arguments that a person gives. */
import * as pulumi from "@pulumi/pulumi";
import { resolveHost } from "../config/host.ts";
import type { PreflightInputs } from "../schema/inputs.ts";
import type { Target } from "../schema/target.ts";
import { forPeople } from "./people.ts";
import type { VpsArgs } from "./vps.ts";

export type NamedIdentities = PreflightInputs["identities"];
type Rest = Omit<VpsArgs, "address" | "hostKey" | "home">;

/** Checked at once where everything is known, else when address and host key are. */
export function connectionOf(
  name: string,
  rest: Rest,
  address: VpsArgs["address"],
  hostKey: VpsArgs["hostKey"],
): pulumi.Output<Target> {
  const resolve = (where: string, key: string | readonly string[] | undefined): Target =>
    forPeople(() => resolveHost(name, { ...rest, address: where, hostKey: key }, process.env));
  if (typeof address === "string" && isPlain(hostKey)) return pulumi.output(resolve(address, hostKey));
  return pulumi.all([address, hostKey]).apply(([where, key]) => resolve(where, key));
}

/** The machine's own identity wherever the arguments name none. */
export function withIdentity({ jump, ...login }: Target, rest: Rest, identity: string): Target {
  const own = <T extends { readonly auth: string }>(at: T, named: string | undefined): T =>
    named === undefined ? { ...at, auth: identity } : at;
  return { ...own(login, rest.identity), ...(jump ? { jump: own(jump, rest.jump?.identity) } : {}) };
}

const isPlain = (value: VpsArgs["hostKey"]): value is string | readonly string[] | undefined =>
  value === undefined || typeof value === "string" || Array.isArray(value);

/** The identities as the arguments name them. */
export const namedIdentities = ({ identity, jump }: Rest): NamedIdentities => ({
  ...(identity === undefined ? {} : { host: identity }),
  ...(jump?.identity === undefined ? {} : { jump: jump.identity }),
});
