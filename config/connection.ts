import * as os from "node:os";
import * as path from "node:path";
import { pinnedKeys } from "../known-hosts.ts";
import { UserError } from "../schema/errors.ts";
import type { Target } from "../schema/target.ts";
import { publicKeyOf } from "./host-key.ts";
import type { HostOptions, LoginOptions } from "./options.ts";
import type { Problem } from "./problems.ts";

export type Env = Readonly<Record<string, string | undefined>>;
type Login = Omit<Target, "jump">;

/** `~/x` -> `<home>/x`. */
export const expandHome = (file: string, env: Env): string =>
  file.startsWith("~/") ? path.join(env.HOME || os.homedir(), file.slice(2)) : file;

/** How to reach a host, its keys pinned; undefined when that cannot be known, with the reason in `problems`. */
export function resolveTarget(
  options: HostOptions,
  env: Env,
  at: string,
  problems: Problem[],
): Target | undefined {
  const login = resolveLogin(options, env, at, problems);
  if (options.jump === undefined) return login;
  const jump = resolveLogin(options.jump, env, `${at}.jump`, problems);
  return login && jump && { ...login, jump };
}

function resolveLogin(options: LoginOptions, env: Env, at: string, problems: Problem[]): Login | undefined {
  const login = {
    host: options.address,
    port: options.port ?? 22,
    user: options.user ?? "root",
    auth: authOf(options.identity, env),
  };
  const hostKeys = resolveKeys(options, login, env, at, problems);
  return hostKeys && { ...login, hostKeys };
}

function authOf(identity: string | undefined, env: Env): string {
  if (identity !== undefined) return identity === "agent" ? identity : expandHome(identity, env);
  return env.SSH_AUTH_SOCK ? "agent" : expandHome("~/.ssh/id_ed25519", env);
}

function resolveKeys(
  { hostKey, knownHosts }: LoginOptions,
  at: { readonly host: string; readonly port: number },
  env: Env,
  path: string,
  problems: Problem[],
): string[] | undefined {
  if (hostKey !== undefined) return [...new Set([hostKey].flat().flatMap((text) => publicKeyOf(text) ?? []))];
  const file = expandHome(knownHosts ?? "~/.ssh/known_hosts", env);
  const found = lookUp(file, at, `${path}.knownHosts`, problems);
  if (found === undefined || found.length > 0) return found;
  const remedy = `Run: npx borgpull host-key ${at.port === 22 ? at.host : `${at.host.includes(":") ? `'[${at.host}]'` : at.host}:${at.port}`}`;
  problems.push(
    knownHosts === undefined
      ? { path: `${path}.hostKey`, problem: "missing.", remedy }
      : { path: `${path}.knownHosts`, problem: `${file} has no key of ${at.host}.`, remedy },
  );
  return undefined;
}

function lookUp(
  file: string,
  at: { readonly host: string; readonly port: number },
  path: string,
  problems: Problem[],
): string[] | undefined {
  try {
    return [...pinnedKeys(file, at)];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.push({ path, problem: error.problem, remedy: error.remedy });
    return undefined;
  }
}
