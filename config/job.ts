import type { JobFile } from "../schema/job-file.ts";
import { jobName } from "../schema/names.ts";
import type { Target } from "../schema/target.ts";
import { durationSeconds } from "./duration.ts";
import type { HostSettings } from "./host.ts";
import type { CareOptions, DumpOptions, HookOptions, JobOptions } from "./options.ts";
import { check, type Problem, refuse } from "./problems.ts";
import { checkSchedule, refusal } from "./schedule.ts";
import { jobOptions } from "./schema.ts";
import { sizeBytes } from "./size.ts";

/** A command on the VPS, its time in seconds. */
export interface Hook extends Omit<HookOptions, "timeout"> {
  readonly timeoutSeconds: number;
}

/** A job's options with every default in place and durations in seconds. */
export interface JobSettings {
  readonly paths: readonly string[];
  readonly exclude: readonly string[];
  readonly compression: string;
  readonly oneFileSystem: boolean;
  readonly hooks: {
    readonly before?: Hook | undefined;
    readonly after?: Hook | undefined;
    readonly onError?: Hook | undefined;
  };
  readonly hooksAtHome: JobFile["hooksAtHome"];
  readonly dumps: Readonly<Record<string, DumpOptions>>;
  readonly encryption: "repokey-blake2" | "repokey" | "authenticated-blake2" | "authenticated";
  readonly import: boolean;
  readonly schedule: string | undefined;
  readonly randomizedDelaySeconds: number;
  readonly maxParallel: number;
  readonly keep: JobFile["keep"];
  readonly care: JobFile["care"];
  readonly notify: JobFile["notify"];
  readonly staleAfterSeconds: number;
  readonly pull: "stale" | "always" | "never";
  readonly audit: boolean;
  readonly pullKeyGeneration: number;
  readonly renamedFrom: string | undefined;
  readonly limits: JobFile["limits"];
  /** Options of the key line. "localhost:1" refuses every TCP port, and leaves the unix socket (sshd: channels.c, remote_open_match). */
  readonly keyOptions: Readonly<Record<string, string>>;
}

/** @param options checked ones: a duration or size that is none throws */
export function jobSettings(options: JobOptions): JobSettings {
  const { limits, keep, hooks = {} } = options;
  return {
    paths: options.paths,
    exclude: options.exclude ?? [],
    compression: options.compression ?? "zstd",
    oneFileSystem: options.oneFileSystem ?? true,
    hooks: { before: timed(hooks.before), after: timed(hooks.after), onError: timed(hooks.onError) },
    hooksAtHome: {
      before: timed(hooks.atHome?.before),
      after: timed(hooks.atHome?.after),
      onError: timed(hooks.atHome?.onError),
    },
    dumps: options.dumps ?? {},
    encryption: options.encryption ?? "repokey-blake2",
    import: options.import ?? false,
    schedule: options.schedule,
    randomizedDelaySeconds: seconds(options.randomizedDelay ?? "5m"),
    maxParallel: options.maxParallel ?? 4,
    keep,
    care: careSeconds(options.care),
    notify: options.notify ?? {},
    staleAfterSeconds: seconds(options.staleAfter ?? "36h"),
    pull: options.pull ?? "stale",
    audit: options.audit ?? true,
    pullKeyGeneration: options.pullKeyGeneration ?? 1,
    renamedFrom: options.renamedFrom,
    limits: {
      totalSeconds: seconds(limits?.total ?? "24h"),
      stallSeconds: seconds(limits?.stall ?? "15m"),
      lockWaitSeconds: seconds(limits?.lockWait ?? "1m"),
      ...(limits?.quota === undefined ? {} : { quotaBytes: bytes(limits.quota) }),
      freeBytes: bytes(limits?.free ?? "1GB"),
      retries: limits?.retries ?? 2,
      retryWaitSeconds: seconds(limits?.retryWait ?? "1m"),
    },
    keyOptions: keyOptions(options),
  };
}

/** Without its time a hook has an hour. */
const timed = <T extends { readonly timeout?: string | undefined }>(hook: T | undefined) => {
  if (hook === undefined) return undefined;
  const { timeout = "1h", ...rest } = hook;
  return { ...rest, timeoutSeconds: seconds(timeout) };
};

/** Monthly checks as borgmatic has them; all data only when somebody asks for it. */
const usualCare: CareOptions = {
  prune: "1w",
  compact: "1w",
  checkRepository: "4w",
  checkArchives: "4w",
  checkData: "never",
  proof: "1w",
};

function careSeconds(care: CareOptions = {}): JobFile["care"] {
  const often = { ...usualCare, ...care } as Readonly<Record<string, string>>;
  const done = Object.entries(often).filter(([, duration]) => duration !== "never");
  return Object.fromEntries(done.map(([what, duration]) => [what, seconds(duration)]));
}

function seconds(text: string): number {
  const value = durationSeconds(text);
  if (value === undefined) throw new TypeError(`${text} is not a duration`);
  return value;
}

function bytes(text: string): number {
  const value = sizeBytes(text);
  if (value === undefined) throw new TypeError(`${text} is not a size`);
  return value;
}

function keyOptions({ from, expiry }: JobOptions): Readonly<Record<string, string>> {
  return {
    restrict: "",
    "port-forwarding": "",
    permitlisten: "localhost:1",
    permitopen: "localhost:1",
    ...(from === undefined ? {} : { from: [from].flat().join(",") }),
    ...(expiry === undefined ? {} : { "expiry-time": expiry.replaceAll("-", "") }),
  };
}

/** What is wrong with a job's options taken together and with its host's. */
export function checkJob(
  options: JobOptions,
  host: Pick<HostSettings, "instance" | "privilege"> & { readonly target: Target | undefined },
  at: string,
): readonly Problem[] {
  return [
    ...checkPaths(options, at),
    ...checkHooks(options, host, at),
    ...checkTimer(options, host.target, at),
  ];
}

function checkPaths({ paths }: JobOptions, at: string): readonly Problem[] {
  const twice = paths.filter((path, index) => paths.indexOf(path) < index);
  return [...new Set(twice)].map((path) => ({
    path: `${at}.paths`,
    problem: `${path} is there twice.`,
    remedy: "Keep one.",
  }));
}

function checkHooks(
  { hooks: { atHome: _, ...hooks } = {}, dumps = {} }: JobOptions,
  { privilege, instance }: Pick<HostSettings, "instance" | "privilege">,
  at: string,
): readonly Problem[] {
  if (privilege !== "user") return [];
  const commands = [
    ...Object.entries(hooks).map(([when, hook]) => ({
      where: `hooks.${when}`,
      what: "hook",
      user: hook?.user,
    })),
    ...Object.entries(dumps).map(([name, { user }]) => ({ where: `dumps.${name}`, what: "dump", user })),
  ];
  return commands.flatMap(({ where, what, user }) =>
    user === undefined || user === instance
      ? []
      : [
          {
            path: `${at}.${where}.user`,
            problem: `with privilege "user" a ${what} cannot run as ${user}.`,
            remedy: `Write ${instance}, or choose another privilege.`,
          },
        ],
  );
}

/** A timer has no ssh agent: the login at the VPS is the pull key's, but a jump host's is the administrator's. */
function checkTimer({ schedule }: JobOptions, target: Target | undefined, at: string): readonly Problem[] {
  if (schedule === undefined || target?.jump?.auth !== "agent") return [];
  return [
    {
      path: `${at}.jump.identity`,
      problem: "a timer has no ssh agent to log in to the jump host.",
      remedy: "Write the path of a key file there, or leave schedule out.",
    },
  ];
}

/** The settings of a job by the options a program of one's own gives. Throws UserError with every mistake in them. */
export function resolveJob(
  name: string,
  options: JobOptions,
  host: Pick<HostSettings, "instance" | "privilege">,
): JobSettings {
  const problems: Problem[] = [];
  check(jobName, name, [name], problems);
  const checked = check(jobOptions, options, [name], problems);
  if (checked) problems.push(...checkJob(options, { ...host, target: undefined }, name));
  if (checked?.schedule)
    problems.push(...refusal(checkSchedule(checked.schedule), checked.schedule, `${name}.schedule`));
  refuse(problems);
  return jobSettings(options);
}
