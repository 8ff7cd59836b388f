import * as path from "node:path";
import type * as z from "zod";
import { jobName } from "../schema/names.ts";
import type { Target } from "../schema/target.ts";
import type { Env } from "./connection.ts";
import { checkHost, hostSettings } from "./host.ts";
import { checkJob } from "./job.ts";
import type { HostOptions, JobOptions } from "./options.ts";
import { check, group, type Problem } from "./problems.ts";
import { type HostEntry, hostEntry, hostOptions, jobDefaults, type StackDefaults } from "./schema.ts";

/** A host of `borgpull:hosts`, its defaults merged in and its keys looked up. */
export interface HostConfig {
  readonly name: string;
  readonly options: HostOptions;
  readonly jobs: readonly JobConfig[];
}

/** Also when something is wrong with it, for the checks across hosts; `target` is undefined when it cannot be told. */
export interface ReadHost extends HostConfig {
  readonly target: Target | undefined;
}

/** A job, with the defaults of host and stack merged in. */
export interface JobConfig {
  readonly name: string;
  /** Where it is written, such as `hosts.web1.jobs.mail`. */
  readonly at: string;
  readonly options: JobOptions & { readonly repository: string };
}

/** What a host's entry needs of the stack's own options. */
export interface Stack {
  readonly defaults: StackDefaults;
  readonly repositories: string | undefined;
  readonly instance: string | undefined;
  readonly env: Env;
}

/** One entry of `borgpull:hosts`; undefined when it cannot be used, with every mistake in `problems`. */
export function readHost(
  name: string,
  raw: unknown,
  stack: Stack,
  problems: Problem[],
): ReadHost | undefined {
  const at = `hosts.${name}`;
  checkName(name, at, problems);
  for (const job of Object.keys(group(group(raw).jobs))) checkName(job, `${at}.jobs.${job}`, problems);
  const entry = check(hostEntry, raw, ["hosts", name], problems);
  if (entry === undefined) return undefined;
  const options = {
    ...pick(stack.defaults, hostOptions.shape),
    ...(stack.instance === undefined ? {} : { instance: stack.instance }),
    ...pick(entry, hostOptions.shape),
  } as HostOptions;
  const { target, problems: wrong } = checkHost(options, stack.env, at);
  problems.push(...wrong);
  const jobs = readJobs(name, entry, stack, problems);
  const settings = { ...hostSettings(options), target };
  problems.push(...jobs.flatMap((job) => checkJob(job.options, settings, job.at)));
  return { name, options: target ? pinned(options, target) : options, target, jobs };
}

/** The options with what was looked up written out, so that the components look nothing up again. */
function pinned(options: HostOptions, { hostKeys, auth, jump }: Target): HostOptions {
  const { jump: way } = options;
  const through = way && jump ? { jump: { ...way, hostKey: jump.hostKeys, identity: jump.auth } } : {};
  return { ...options, hostKey: hostKeys, identity: auth, ...through };
}

function checkName(name: string, at: string, problems: Problem[]): void {
  const { success, error } = jobName.safeParse(name);
  if (success) return;
  problems.push({
    path: at.length > 80 ? `${at.slice(0, 77)}...` : at,
    problem: "not a name that a job or host can have.",
    remedy: `Write ${error.issues[0]?.message}.`,
  });
}

/** A host's jobs: those of `jobs`, each over what the host says for all; or the one job that is named like the host. */
function readJobs(name: string, entry: HostEntry, stack: Stack, problems: Problem[]): readonly JobConfig[] {
  const at = `hosts.${name}`;
  const { jobs, paths, repository, renamedFrom } = entry;
  if ((jobs === undefined) === (paths === undefined)) {
    problems.push(
      jobs === undefined
        ? {
            path: `${at}.paths`,
            problem: "missing.",
            remedy: "Give the paths to back up, or jobs with paths each.",
          }
        : {
            path: `${at}.jobs`,
            problem: "jobs and paths exclude each other.",
            remedy: "Move paths into a job.",
          },
    );
    return [];
  }
  if (jobs !== undefined && repository !== undefined)
    problems.push({
      path: `${at}.repository`,
      problem: "it would be for several jobs.",
      remedy: "Move it into a job.",
    });
  if (jobs !== undefined && renamedFrom !== undefined)
    problems.push({
      path: `${at}.renamedFrom`,
      problem: "it would be for several jobs.",
      remedy: "Move it into a job.",
    });
  const shared = pick(entry, jobDefaults.shape);
  const written = jobs
    ? Object.entries(jobs).map(([job, own]) => ({ name: job, at: `${at}.jobs.${job}`, own }))
    : [
        {
          name,
          at,
          own: {
            ...shared,
            paths: paths ?? [],
            repository,
            ...(renamedFrom === undefined ? {} : { renamedFrom }),
          },
        },
      ];
  return written.map(({ name: job, at: where, own }) => {
    const layers = [pick(stack.defaults, jobDefaults.shape), shared, own];
    // one by one, so that a job that says one limit keeps the others
    const merge = (group: "limits" | "care" | "notify") =>
      Object.assign({}, ...layers.map((layer) => layer[group]));
    const groups = { limits: merge("limits"), care: merge("care"), notify: merge("notify") };
    const merged = { ...layers[0], ...shared, ...own, ...groups };
    return {
      name: job,
      at: where,
      options: {
        ...merged,
        repository: repositoryOf(own.renamedFrom ?? job, own.repository, stack, where, problems),
      },
    };
  });
}

function repositoryOf(
  job: string,
  own: string | undefined,
  { repositories }: Stack,
  at: string,
  problems: Problem[],
): string {
  if (own !== undefined) return path.normalize(own).replace(/(?<=.)\/$/, "");
  if (repositories === undefined)
    problems.push({
      path: `${at}.repository`,
      problem: "missing, and so is repositories.",
      remedy: "Give borgpull:repositories a folder for all, such as /srv/backup.",
    });
  return path.join(repositories ?? "/", job);
}

/** Only the named options of a group. */
function pick<Shape extends z.ZodRawShape>(
  from: object,
  shape: Shape,
): { [Key in keyof Shape]?: z.infer<Shape[Key]> } {
  const wanted = Object.entries(from).filter(([key, value]) => key in shape && value !== undefined);
  return Object.fromEntries(wanted) as { [Key in keyof Shape]?: z.infer<Shape[Key]> };
}
