import type { Target } from "../schema/target.ts";
import { type Env, resolveTarget } from "./connection.ts";
import type { HostOptions } from "./options.ts";
import { check, type Problem, refuse } from "./problems.ts";
import { hostOptions } from "./schema.ts";
import { sshdSettings } from "./sshd.ts";

/** A host's options with every default in place, but for how it is reached. */
export interface HostSettings {
  readonly instance: string;
  readonly privilege: "read-all" | "user" | "root";
  readonly packages: "install" | "none";
  /** sshd keyword -> value for the account. */
  readonly sshd: Readonly<Record<string, string>>;
  readonly adopt: boolean;
}

export function hostSettings(options: Omit<HostOptions, "address" | "hostKey">): HostSettings {
  const { instance = "borgpull", privilege = "read-all", packages = "none", sshd, adopt = false } = options;
  return { instance, privilege, packages, sshd: sshdSettings(instance, sshd?.extra), adopt };
}

/** What is wrong with a host's options taken together; also how to reach it, when that can be told. */
export function checkHost(
  options: HostOptions,
  env: Env,
  at: string,
): { readonly target: Target | undefined; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  if (reserved.has(options.instance ?? "")) problems.push(reservedInstance(options.instance ?? "", at));
  const target = resolveTarget(options, env, at, problems);
  if (target && options.packages === "install") problems.push(...checkPackages(target, options, at));
  return { target, problems };
}

/** Accounts of a Debian system that an instance's name would take over. */
const reserved = new Set([
  "root",
  "daemon",
  "bin",
  "sys",
  "sync",
  "mail",
  "www-data",
  "backup",
  "nobody",
  "sshd",
]);
const reservedInstance = (instance: string, at: string): Problem => ({
  path: `${at}.instance`,
  problem: `${instance} is an account of the system.`,
  remedy: "Choose another name.",
});

/** Debian's packages that a pull needs on a VPS. */
export const packagesFor = (privilege: HostSettings["privilege"]): readonly string[] => [
  "borgbackup",
  "netcat-openbsd",
  "util-linux",
  ...(privilege === "user" ? [] : ["sudo"]),
];

/** @pulumi/command takes a key's contents or an agent; a key's contents would be in the stack's state. */
function checkPackages(target: Target, options: HostOptions, at: string): readonly Problem[] {
  if (target.auth === "agent" && (target.jump?.auth ?? "agent") === "agent") return [];
  const install = `apt-get install ${packagesFor(options.privilege ?? "read-all").join(" ")}`;
  return [
    {
      path: `${at}.packages`,
      problem: "install needs an ssh agent, and none is used here.",
      remedy: `Run on the host: ${install}; and leave packages out.`,
    },
  ];
}

/** How to reach a host by the options a program of one's own gives. Throws UserError with every mistake in them. */
export function resolveHost(name: string, options: HostOptions, env: Env): Target {
  const problems: Problem[] = [];
  const checked = check(hostOptions, options, [name], problems);
  const host = checked && checkHost(options, env, name);
  refuse([...problems, ...(host?.problems ?? [])]);
  if (host?.target === undefined) throw new TypeError("a host without a problem has a target");
  return host.target;
}

/** The settings that do not hang on the address, so known before it is. Throws UserError. */
export function resolveSettings(
  name: string,
  options: Omit<HostOptions, "address" | "hostKey">,
): HostSettings {
  const problems: Problem[] = [];
  check(hostOptions.omit({ address: true, hostKey: true }), options, [name], problems);
  refuse(problems);
  return hostSettings(options);
}
