/** Every text of ours that lands on a machine: one function a text, each a pure function of its data. What is in a .hbs file is shown as it is. */
import * as fs from "node:fs";
import Handlebars from "handlebars";
import { type JobFile, jobFile as jobFileSchema } from "../schema/job-file.ts";
import type { vpsPaths } from "../schema/paths.ts";
import { shellWord, systemdAssignment, systemdPath, systemdWord } from "./quote.ts";

/** `mark` is `ownerMark(owner)`, in the header of each text. */
export interface Marked {
  readonly mark: string;
}
type Paths = ReturnType<typeof vpsPaths>;

export interface VpsData extends Marked {
  readonly instance: string;
  readonly paths: Paths;
}

export interface ProgramData extends VpsData {
  readonly privilege: "read-all" | "user" | "root";
  /** borgctl's own version, which it tells home. */
  readonly version: string;
}

/** The forced command of every pull key. */
export const borgctl = (data: ProgramData): string => render("borgctl", data);
/** What borgctl calls through sudo. */
export const helper = (data: ProgramData): string => render("helper", data);
/** What connects borg to the forwarded socket where no good nc is. */
export const relay = (data: ProgramData): string => render("relay", data);
/** The part of the helper that makes a backup. */
export const create = (data: ProgramData): string => render("create", data);
/** What runs a job's hooks and dumps. */
export const commands = (data: ProgramData): string => render("commands", data);
/** What tells home of files as they are now, so that it can compare what it has restored. */
export const hash = (data: ProgramData): string => render("hash", data);
/** tmpfiles.d(5): run folder and lock. */
export const tmpfiles = (data: VpsData): string => render("tmpfiles", data);
/** sudoers(5) with regular expressions for arguments, sudo 1.9.10 and newer. */
export const sudoers = (data: VpsData): string => render("sudoers", data);

/** The account's Match block. `settings`: keyword -> value, in the order written. */
export const sshdDropIn = (
  data: Marked & { readonly user: string; readonly settings: Readonly<Record<string, string>> },
): string => render("sshd-drop-in", data);

export interface JobPatternsData extends Marked {
  readonly job: string;
  readonly paths: readonly string[];
  /** As for `borg create --exclude`: fm: unless they say another style. */
  readonly exclude: readonly string[];
}

/** A file for `borg create --patterns-from`. `!` and not `-`: like --exclude it does not go into what is left out. */
export const jobPatterns = (data: JobPatternsData): string =>
  render("job-patterns", { ...data, exclude: data.exclude.map(styled) });

/** In a pattern file the style would be sh:, with --exclude it is fm: (borg help patterns). */
const styled = (pattern: string): string => (/^(fm|sh|re|pp|pf):/.test(pattern) ? pattern : `fm:${pattern}`);

interface Dump {
  readonly user: string;
  readonly run: string;
}
interface Hook extends Dump {
  readonly timeoutSeconds: number;
}

export interface JobConfData extends Marked {
  readonly job: string;
  readonly compression: string;
  readonly oneFileSystem: boolean;
  readonly lockWaitSeconds: number;
  /** The repository is only authenticated: borg on the VPS would ask a person whether that is meant. */
  readonly unencrypted?: boolean;
  readonly before?: Hook | undefined;
  readonly after?: Hook | undefined;
  readonly onError?: Hook | undefined;
  /** By name. */
  readonly dumps?: Readonly<Record<string, Dump>> | undefined;
}

/** Shell assignments for the helper. */
export const jobConf = ({ before, after, onError, dumps = {}, ...data }: JobConfData): string =>
  render("job-conf", {
    ...data,
    oneFileSystem: data.oneFileSystem ? "yes" : "",
    lockWaitSeconds: String(data.lockWaitSeconds),
    unencrypted: data.unencrypted ? "yes" : "",
    hooks: Object.entries({ before, on_error: onError, after }).map(([name, hook]) => ({
      name,
      ...(hook ?? { user: "", run: "", timeoutSeconds: 3600 }),
    })),
    dumpUsers: [...new Set(Object.values(dumps).map(({ user }) => user))].join(" "),
    dumps: dumpList(dumps),
  });

/** JSON, one dump a line, so that a preview shows which of them differs; empty without any. */
function dumpList(dumps: Readonly<Record<string, Dump>>): string {
  const lines = Object.entries(dumps).map(([name, { user, run }]) => JSON.stringify({ name, user, run }));
  return lines.length === 0 ? "" : `[\n${lines.join(",\n")}\n]`;
}

/** The job file at home, its keys in the order of the schema. Throws when the data are not those of a job file. */
export const jobFile = (data: JobFile): string => `${JSON.stringify(jobFileSchema.parse(data), null, 2)}\n`;

export interface ServiceData extends Marked {
  /** What it does, in the imperative: "pull the backup of web1". */
  readonly description: string;
  /** Argument list; the first is an absolute path. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Left out: none, which is systemd's default for such a service. */
  readonly timeoutSeconds?: number;
  /** Hardening that only the system's manager can give. */
  readonly system: boolean;
  /** No hardening at all where commands of a person's own are run: nobody knows what they need. */
  readonly confined: boolean;
  /** Files and folders that it may write, confined by the system's manager. */
  readonly writable: readonly string[];
  /** Its disk is mounted before. */
  readonly repository?: string;
}

/** systemd.service(5) of what runs at home. */
export const service = ({ command, environment, writable, repository, ...data }: ServiceData): string =>
  render("service", {
    ...data,
    command: command.map(systemdWord).join(" "),
    environment: Object.entries(environment).map(([name, value]) => systemdAssignment(name, value)),
    writable: writable.map((path) => systemdPath(`-${path}`)).join(" "),
    mounts: data.system && repository !== undefined ? systemdPath(repository) : "",
  });

/** systemd.timer(5) for it. */
export const timer = (
  data: Marked & {
    readonly description: string;
    /** OnCalendar. */
    readonly schedule: string;
    /** It waits up to so long, another time each time. */
    readonly delaySeconds: number;
  },
): string => render("timer", { ...data, schedule: data.schedule.replaceAll("%", "%%") });

/** Exactly one newline ends it: a difference in their number would be one that nobody sees in a preview. */
function render(name: string, data: object): string {
  return compiled(name)(data).replace(/\n*$/, "\n");
}

/** Each once: with fifty hosts, half of the program's own time went into compiling the same nine texts. */
const compiled = (() => {
  const handlebars = Handlebars.create();
  handlebars.registerHelper("sh", (word: unknown) => shellWord(String(word)));
  const known = new Map<string, (data: object) => string>();
  return (name: string) => {
    const template = known.get(name) ?? handlebars.compile(read(name), { strict: true, noEscape: true });
    known.set(name, template);
    return template;
  };
})();

const read = (name: string): string => fs.readFileSync(new URL(`${name}.hbs`, import.meta.url), "utf8");
