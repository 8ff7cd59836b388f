import * as crypto from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { ownerMark } from "../schema/names.ts";
import { vpsPaths } from "../schema/paths.ts";
import * as templates from "../templates/index.ts";
import { stackOwner } from "./home.ts";
import type { Job } from "./job.ts";
import { Audit, type SshIdentity } from "./resources.ts";
import { version } from "./vps.ts";

/**
 * The audit of a job's pull key, unless it is not wanted.
 * @returns what the pull comes after
 */
export function declareAudit(
  job: Job,
  of: { readonly identity: SshIdentity; readonly jobFile: pulumi.Output<string> },
  options: { readonly parent: pulumi.Resource; readonly dependsOn: pulumi.Resource[] },
): pulumi.Resource[] {
  const { name, home, settings } = job;
  if (!settings.audit) return options.dependsOn;
  const inputs = {
    home: home.home,
    owner: stackOwner(),
    job: name,
    jobFile: of.jobFile,
    of: audited(job, of.identity),
  };
  return [...options.dependsOn, new Audit(`${name}-audit`, inputs, options)];
}

/** A hash of what decides what the key can do: the machine, its sshd's settings for the account, the key's line, the forced command. */
function audited({ vps, settings: { keyOptions } }: Job, identity: SshIdentity): pulumi.Output<string> {
  const { instance, privilege, sshd } = vps.settings;
  const mark = ownerMark(stackOwner());
  const borgctl = templates.borgctl({ mark, instance, paths: vpsPaths(instance), privilege, version });
  return pulumi
    .all([vps.connection, identity.publicKey])
    .apply(([{ hostKeys }, publicKey]) =>
      crypto
        .createHash("sha256")
        .update(JSON.stringify({ hostKeys, publicKey, keyOptions, sshd, borgctl }))
        .digest("hex")
        .slice(0, 16),
    );
}
