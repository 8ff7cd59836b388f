import * as pulumi from "@pulumi/pulumi";
import { type HostSettings, resolveSettings } from "../config/host.ts";
import type { HostOptions } from "../config/options.ts";
import { ownerMark } from "../schema/names.ts";
import { vpsPaths } from "../schema/paths.ts";
import type { Target } from "../schema/target.ts";
import { version } from "../schema/version.ts";
import * as templates from "../templates/index.ts";
import { connectionOf, type NamedIdentities, namedIdentities, withIdentity } from "./connection.ts";
import { declareHome, stackOwner } from "./home.ts";
import { installPackages } from "./packages.ts";
import { forPeople } from "./people.ts";
import { type Home, HostFile, HostUser, Preflight, SshdDropIn } from "./resources.ts";

export { version };

/** How a VPS is reached and what borgpull may do there. */
export interface VpsArgs extends Omit<HostOptions, "address" | "hostKey"> {
  /**
   * Name or address to connect to; may be an output of the resource that makes the machine.
   * @example "web1.example.com"
   */
  readonly address: pulumi.Input<string>;
  /**
   * The host's public key, one or several.
   * @default what `knownHosts` pins for the address
   * @example "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI..."
   */
  readonly hostKey?: pulumi.Input<string | readonly string[]> | undefined;
  /**
   * The machine at home, to be shared by all VPSes of a program.
   * @default one of its own
   */
  readonly home?: Home | undefined;
}

/**
 * A VPS made ready for pulls: account, run folder, borgctl and its helper, sudoers, sshd drop-in. It holds no credential of home.
 * @example
 * const web1 = new Vps("web1", { address: "web1.example.com", hostKey: "ssh-ed25519 AAAA..." });
 * new PullJob("web1", { vps: web1, paths: ["/etc", "/home"], keep: { daily: 7 } });
 */
export class Vps extends pulumi.ComponentResource {
  readonly home: Home;
  readonly settings: HostSettings;
  /** How an administrator logs in. */
  readonly connection: pulumi.Output<Target>;
  /** How an administrator at home logs in: the same, but for an identity that is not named and so is the machine's own. */
  readonly connectionAtHome: pulumi.Output<Target>;
  /** The last thing that a job's resources must come after, and go before. */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: VpsArgs, options?: pulumi.ComponentResourceOptions) {
    super("borgpull:index:Vps", name, {}, options);
    const { home, address, hostKey, ...rest } = args;
    this.home = home ?? declareHome(`${name}-home`, { parent: this });
    this.connection = connectionOf(name, rest, address, hostKey);
    this.connectionAtHome = pulumi
      .all([this.connection, this.home.identity])
      .apply(([target, identity]) => withIdentity(target, rest, identity));
    this.settings = forPeople(() => resolveSettings(name, rest));
    this.ready = this.declareAll(name, namedIdentities(rest));
    this.registerOutputs({});
  }

  /** Everything on the VPS, each after what it needs; returns the last. */
  private declareAll(name: string, identities: NamedIdentities): pulumi.Resource {
    const { instance, privilege, packages, sshd: settings, adopt } = this.settings;
    const owner = stackOwner();
    const paths = vpsPaths(instance);
    const mark = ownerMark(owner);
    const data = { mark, instance, paths, privilege, version };
    const at = { connection: this.connection, owner, instance };
    const on = { ...at, ...(adopt ? { adopt } : {}) };
    const root = { user: "root", group: "root", lock: paths.lock };
    const after = (...dependsOn: pulumi.Resource[]) => ({ parent: this, dependsOn });
    const dropIn = {
      path: paths.dropIn,
      user: instance,
      settings,
      content: templates.sshdDropIn({ mark, user: instance, settings }),
    };

    const installed =
      packages === "install"
        ? [installPackages(`${name}-packages`, this.connection, privilege, { parent: this })]
        : [];
    const preflight = new Preflight(
      `${name}-preflight`,
      { ...at, identities, privilege, dropIn },
      after(...installed),
    );
    const account = new HostUser(
      `${name}-account`,
      { ...on, name: instance, folder: paths.home, shell: "/bin/sh" },
      after(preflight),
    );
    const run = new HostFile(
      `${name}-tmpfiles`,
      {
        ...on,
        ...root,
        path: paths.tmpfiles,
        content: templates.tmpfiles(data),
        mode: "0644",
        activate: createFrom(paths.tmpfiles),
        folder: {
          path: paths.run,
          mode: "0700",
          user: instance,
          group: instance,
          files: { [paths.lock]: `0640 root:${instance}` },
        },
      },
      after(account),
    );
    const program = (
      file: "borgctl" | "helper" | "create" | "commands" | "hash" | "relay",
      render: (data: templates.ProgramData) => string,
    ) =>
      new HostFile(
        `${name}-${file}`,
        {
          ...on,
          ...root,
          path: paths[file],
          content: render(data),
          mode: "0755",
          within: paths.libexec,
        },
        after(run),
      );
    const programs = [
      program("borgctl", templates.borgctl),
      program("helper", templates.helper),
      program("create", templates.create),
      program("commands", templates.commands),
      program("hash", templates.hash),
      program("relay", templates.relay),
    ];
    const sudoers = () =>
      new HostFile(
        `${name}-sudoers`,
        {
          ...on,
          ...root,
          path: paths.sudoers,
          content: templates.sudoers(data),
          mode: "0440",
          validate: ["visudo", "-cqf", "%s"],
        },
        after(...programs),
      );
    const trusted = privilege === "user" ? programs : [sudoers()];
    return new SshdDropIn(`${name}-sshd`, { ...on, ...dropIn, lock: paths.lock }, after(...trusted));
  }
}

/** systemd-tmpfiles fails for a file that is not there, and activation also follows the removal: `find` makes nothing of nothing. */
function createFrom(file: string): string[] {
  const folder = file.slice(0, file.lastIndexOf("/"));
  const name = file.slice(file.lastIndexOf("/") + 1);
  return [
    "find",
    folder,
    "-maxdepth",
    "1",
    "-name",
    name,
    "-exec",
    "systemd-tmpfiles",
    "--create",
    "{}",
    "+",
  ];
}
