import { jobName } from "../schema/names.ts";
import { endpoint } from "../schema/target.ts";
import type { JobConfig, ReadHost } from "./entry.ts";
import type { Problem } from "./problems.ts";

/** What is wrong with hosts and jobs beside each other. */
export function acrossHosts(hosts: readonly ReadHost[]): readonly Problem[] {
  const jobs = hosts.flatMap((host) => host.jobs).filter((job) => jobName.safeParse(job.name).success);
  return [...sameMachine(hosts), ...sameName(jobs), ...stillThere(jobs), ...sameRepository(jobs)];
}

/** Pairs of a list, the later one first, that have the same word in common: a thousand hosts are half a million pairs. */
function twins<T>(list: readonly T[], wordOf: (each: T) => string | undefined): readonly (readonly [T, T])[] {
  const seen = new Map<string, T[]>();
  return list.flatMap((later) => {
    const word = wordOf(later);
    if (word === undefined) return [];
    const earlier = seen.get(word) ?? [];
    seen.set(word, [...earlier, later]);
    return earlier.map((each) => [later, each] as const);
  });
}

function sameMachine(hosts: readonly ReadHost[]): readonly Problem[] {
  const account = ({ target, options }: ReadHost) =>
    target &&
    [options.instance ?? "borgpull", endpoint(target), target.jump ? endpoint(target.jump) : ""].join(" ");
  return twins(hosts, account).map(([later, earlier]) => ({
    path: `hosts.${later.name}.address`,
    problem: `the same machine and instance as hosts.${earlier.name}.`,
    remedy: `Put both under jobs of hosts.${earlier.name}, or give one another instance.`,
  }));
}

function sameName(jobs: readonly JobConfig[]): readonly Problem[] {
  return twins(jobs, ({ name }) => name).map(([later, earlier]) => ({
    path: later.at,
    problem: `a second job named ${later.name}, after ${earlier.at}.`,
    remedy: "Rename one of them.",
  }));
}

function stillThere(jobs: readonly JobConfig[]): readonly Problem[] {
  return jobs.flatMap(({ at, options: { renamedFrom } }) => {
    const old = jobs.find(({ name }) => name === renamedFrom);
    return old
      ? [
          {
            path: `${at}.renamedFrom`,
            problem: `${old.at} has that name still.`,
            remedy: "Remove that one, or leave renamedFrom out.",
          },
        ]
      : [];
  });
}

/** Every pair of a list, the later one first. */
const pairs = <T>(list: readonly T[]): readonly (readonly [T, T])[] =>
  list.flatMap((later, index) => list.slice(0, index).map((earlier) => [later, earlier] as const));

function sameRepository(jobs: readonly JobConfig[]): readonly Problem[] {
  const inside = (a: string, b: string) => a === b || a.startsWith(b.endsWith("/") ? b : `${b}/`);
  return pairs(jobs)
    .filter(
      ([{ options: a, name }, { options: b, name: other }]) =>
        name !== other && (inside(a.repository, b.repository) || inside(b.repository, a.repository)),
    )
    .map(([later, earlier]) => ({
      path: `${later.at}.repository`,
      problem:
        later.options.repository === earlier.options.repository
          ? `${later.options.repository} is the repository of ${earlier.at} already.`
          : `${later.options.repository} and ${earlier.options.repository} of ${earlier.at} are one inside the other.`,
      remedy: "Give each job a folder of its own.",
    }));
}
