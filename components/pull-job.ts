import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { resolveJob } from "../config/job.ts";
import type { JobOptions } from "../config/options.ts";
import { UserError } from "../schema/errors.ts";
import type { LastGood } from "../schema/last-good.ts";
import { ownerMark } from "../schema/names.ts";
import { configPaths, vpsPaths } from "../schema/paths.ts";
import type { Target } from "../schema/target.ts";
import * as templates from "../templates/index.ts";
import { declareAudit } from "./audit.ts";
import { pathAtHome, stackOwner } from "./home.ts";
import type { Job } from "./job.ts";
import { forPeople } from "./people.ts";
import { AuthorizedKey, type Home, HostFile, Pull, Repository, SshIdentity } from "./resources.ts";
import { declareTimer, programOf } from "./timer.ts";
import { type Vps, version } from "./vps.ts";

/** What to back up of a VPS, where to and when. */
export interface PullJobArgs extends JobOptions {
  /** The VPS, made ready by its component. */
  readonly vps: Vps;
  /**
   * The machine at home.
   * @default that of `vps`
   */
  readonly home?: Home | undefined;
}

/**
 * One backup: a pull key of its own and its line on the VPS, the settings there, the repository and the job file at home, a pull
 * when one is due, and a timer. Removing it leaves the repository, its passphrase and the records at home.
 * @example
 * new PullJob("web1", { vps: web1, paths: ["/etc", "/var/www"], exclude: ["*.cache"], schedule: "*-*-* 03:00:00" });
 */
export class PullJob extends pulumi.ComponentResource {
  /** Folder of the repository at home. */
  readonly repository: string;
  /** The last good backup; null before the first. */
  readonly lastGood: pulumi.Output<LastGood | null>;

  constructor(name: string, args: PullJobArgs, options?: pulumi.ComponentResourceOptions) {
    const { vps, home = vps.home, ...rest } = args;
    const { renamedFrom } = rest;
    // The engine then takes each of the old name's resources for the new one's of the same kind.
    const aliases = renamedFrom === undefined ? [] : [{ name: renamedFrom }];
    super(
      "borgpull:index:PullJob",
      name,
      {},
      { ...options, aliases: [...(options?.aliases ?? []), ...aliases] },
    );
    const settings = forPeople(() => resolveJob(name, rest, vps.settings));
    this.repository = forPeople(() => rest.repository ?? repositoryOf(renamedFrom ?? name));
    this.lastGood = this.declareAll({ name, vps, home, settings });
    this.registerOutputs({});
  }

  private declareAll(job: Job): pulumi.Output<LastGood | null> {
    const { name, home, settings } = job;
    const owner = stackOwner();
    const at = (choose: Parameters<typeof pathAtHome>[1]) => pathAtHome(home, choose);
    const atHome = { home: home.home, owner };
    const after = (...dependsOn: pulumi.Resource[]) => ({ parent: this, dependsOn });

    const { pullKeyGeneration, renamedFrom } = settings;
    const repository = new Repository(
      `${name}-repository`,
      {
        ...atHome,
        job: name,
        path: this.repository,
        encryption: settings.encryption,
        passphraseFile: at((paths) => paths.passphrase(name)),
        keyCopy: at((paths) => paths.keyCopy(name)),
        ...(settings.import ? { import: true } : {}),
        ...(renamedFrom === undefined ? {} : { renamedFrom }),
      },
      after(),
    );
    // Home first: until it knows the new name, its runs go on under the old one.
    const renamed = renamedFrom === undefined ? [] : [repository];
    // A key of its own name: the old one, and its line, are removed last, when nothing uses them any more.
    const identity = new SshIdentity(
      nameOfKey(`${name}-identity`, job),
      {
        ...atHome,
        path: at((paths) => paths.pullKey(name, pullKeyGeneration)),
        comment: `borgpull ${owner} ${name}`,
      },
      after(...renamed),
    );
    const key = this.declareOnVps(job, identity, renamed);
    const { user, group } = home;
    const content = pulumi
      .all([job.vps.connectionAtHome, home.config])
      .apply(([admin, config]) => jobFile(job, { admin, config, repository: this.repository, owner }));
    const path = at((paths) => paths.jobFile(name));
    const file = new HostFile(
      `${name}-job`,
      { ...atHome, path, content, mode: "0600", user, group },
      after(key, repository, ...programOf(job)),
    );
    const audited = declareAudit(job, { identity, jobFile: path }, after(file));
    const { pull: policy, staleAfterSeconds } = settings;
    const pull = new Pull(
      `${name}-pull`,
      { ...atHome, job: name, jobFile: path, pull: policy, staleAfterSeconds },
      after(...audited),
    );
    declareTimer(job, this.repository, after(pull));
    return pull.lastGood;
  }

  /** The job's settings on the VPS, and the line that lets its key in; nothing here is a neighbour's. */
  private declareOnVps(job: Job, identity: SshIdentity, first: readonly pulumi.Resource[]): pulumi.Resource {
    const { name, vps, home, settings } = job;
    const owner = stackOwner();
    const mark = ownerMark(owner);
    const { instance, adopt } = vps.settings;
    const paths = vpsPaths(instance);
    const on = { connection: vps.connection, owner, instance };
    // a pull of this job holds it; a neighbour's long pull holds nobody up
    const lock = `${paths.jobs}/${name}.conf`;
    const file = (kind: "patterns" | "conf", content: string) =>
      new HostFile(
        `${name}-${kind}`,
        {
          ...on,
          ...(adopt ? { adopt } : {}),
          lock,
          path: `${paths.jobs}/${name}.${kind}`,
          content,
          // who may read it may lock it, and so keep this job from being pulled
          mode: "0640",
          user: "root",
          group: instance,
          within: path.dirname(paths.jobs),
        },
        { parent: this, dependsOn: [vps.ready, ...first] },
      );
    const { paths: roots, exclude, compression, oneFileSystem, encryption, limits, hooks, dumps } = settings;
    const files = [
      file("patterns", templates.jobPatterns({ mark, job: name, paths: roots, exclude })),
      file(
        "conf",
        templates.jobConf({
          mark,
          job: name,
          compression,
          oneFileSystem,
          lockWaitSeconds: limits.lockWaitSeconds,
          unencrypted: encryption.startsWith("authenticated"),
          ...hooks,
          dumps,
        }),
      ),
    ];
    return new AuthorizedKey(
      nameOfKey(`${name}-key`, job),
      {
        ...on,
        path: paths.authorizedKeys,
        publicKey: identity.publicKey,
        options: settings.keyOptions,
        // without exec the login shell stays beside borgctl, with the passphrase in its environment
        command: `exec ${paths.borgctl} ${name}`,
        comment: `${nameOfKey(name, job)}: ${mark}`,
        proof: {
          home: home.home,
          account: instance,
          instance,
          identityFile: pathAtHome(home, ({ pullKey }) => pullKey(name, settings.pullKeyGeneration)),
        },
      },
      { parent: this, dependsOn: files },
    );
  }
}

/** The first generation's name has no number, as it never had. */
const nameOfKey = (name: string, { settings: { pullKeyGeneration } }: Job): string =>
  pullKeyGeneration === 1 ? name : `${name}-${pullKeyGeneration}`;

/** The text of the job file: the pull logs in where the administrator does, as the instance's account with the job's key. */
function jobFile(
  { name, vps, settings }: Job,
  at: {
    readonly admin: Target;
    readonly config: string;
    readonly repository: string;
    readonly owner: string;
  },
): string {
  const { admin, config, repository, owner } = at;
  const { pullKey, passphrase } = configPaths(config);
  const { instance } = vps.settings;
  const { keep, care, schedule, notify, hooksAtHome, maxParallel, staleAfterSeconds, limits } = settings;
  return templates.jobFile({
    version: 1,
    managedBy: "borgpull",
    owner,
    job: name,
    instance,
    pull: { ...admin, user: instance, auth: pullKey(name, settings.pullKeyGeneration) },
    admin,
    repository,
    passphraseFile: passphrase(name),
    program: version,
    ...(keep ? { keep } : {}),
    care,
    ...(schedule === undefined ? {} : { schedule }),
    ...(Object.keys(notify ?? {}).length > 0 ? { notify } : {}),
    ...(Object.values(hooksAtHome ?? {}).some(Boolean) ? { hooksAtHome } : {}),
    maxParallel,
    staleAfterSeconds,
    limits,
  });
}

function repositoryOf(name: string): string {
  const all = new pulumi.Config("borgpull").get("repositories");
  if (all?.startsWith("/")) return path.join(all, name);
  throw new UserError(
    `${name}.repository: missing, and borgpull:repositories is no absolute path.`,
    "Give one of them.",
  );
}
