import type { Env } from "./config/connection.ts";
import type { HostConfig } from "./config/entry.ts";
import { readHost, type Stack } from "./config/entry.ts";
import { acrossHosts } from "./config/neighbours.ts";
import { check, group, type Problem, refuse } from "./config/problems.ts";
import { checkSchedule, refusal } from "./config/schedule.ts";
import { stackConfig } from "./config/schema.ts";

/** A stack's config, checked and with its defaults merged in: the arguments of the components. */
export interface Config {
  readonly hosts: readonly HostConfig[];
  /** The file that the watch writes for Prometheus. */
  readonly metrics?: string;
  /** What could not be checked, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Checks what a person wrote under `borgpull:` and merges the defaults into it, before any host is touched. Reads known_hosts and
 * asks `systemd-analyze calendar`, nothing else.
 * @param raw repositories, defaults, hosts, instance and metrics, as in Pulumi.example.yaml
 * @param env HOME and SSH_AUTH_SOCK decide the defaults
 * @throws UserError naming every mistake by its path, each with its remedy
 */
export function parseConfig(raw: unknown, env: Env): Config {
  const problems: Problem[] = [];
  const { metrics, ...stack } = readStack(raw, env, problems);
  const hosts = Object.entries(group(group(raw).hosts)).flatMap(([name, entry]) => {
    const host = readHost(name, entry, stack, problems);
    return host ? [host] : [];
  });
  problems.push(...acrossHosts(hosts));
  const warnings = checkSchedules(raw, problems);
  refuse(problems);
  return { hosts, warnings, ...(metrics === undefined ? {} : { metrics }) };
}

/** What the hosts need of the stack's own options, even when some of those are wrong. */
function readStack(
  raw: unknown,
  env: Env,
  problems: Problem[],
): Stack & { readonly metrics: string | undefined } {
  const stack = check(stackConfig, raw, [], problems);
  const { repositories } = group(raw);
  return {
    defaults: stack?.defaults ?? {},
    repositories: stack?.repositories ?? (repositories === undefined ? undefined : "/"),
    instance: stack?.instance,
    metrics: stack?.metrics,
    env,
  };
}

/** Asks systemd about each schedule where it is written, so that a wrong default is one mistake; returns the warnings. */
function checkSchedules(raw: unknown, problems: Problem[]): readonly string[] {
  const written = [
    { path: "defaults.schedule", schedule: group(group(raw).defaults).schedule },
    ...Object.entries(group(group(raw).hosts)).flatMap(([host, entry]) => [
      { path: `hosts.${host}.schedule`, schedule: group(entry).schedule },
      ...Object.entries(group(group(entry).jobs)).map(([job, options]) => ({
        path: `hosts.${host}.jobs.${job}.schedule`,
        schedule: group(options).schedule,
      })),
    ]),
  ].flatMap(({ path: at, schedule }) => (typeof schedule === "string" ? [{ path: at, schedule }] : []));
  return written.flatMap(({ path: at, schedule }) => {
    const verdict = checkSchedule(schedule);
    problems.push(...refusal(verdict, schedule, at));
    return verdict.kind === "unchecked"
      ? [`${at}: systemd-analyze is not installed, so the schedule ${JSON.stringify(schedule)} is unchecked.`]
      : [];
  });
}
