import { remote } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { packagesFor } from "../config/host.ts";
import type { Target } from "../schema/target.ts";

/**
 * Debian's packages on a VPS, through @pulumi/command with the ssh agent: given a key it would keep the key's contents in the state.
 * Nothing is removed on destroy.
 */
export function installPackages(
  name: string,
  target: pulumi.Output<Target>,
  privilege: "read-all" | "user" | "root",
  options: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const packages = packagesFor(privilege).join(" ");
  return new remote.Command(
    name,
    {
      connection: target.apply(({ jump, ...login }) => ({
        ...connectionOf(login),
        ...(jump ? { proxy: connectionOf(jump) } : {}),
      })),
      create: target.apply(({ user }) => installCommand(user, packages)),
      // another host key is another machine: install again
      triggers: [target.apply(({ hostKeys }) => hostKeys.join("\n"))],
    },
    // a changed address alone is no reason to run it again
    { ...options, ignoreChanges: ["connection"] },
  );
}

/** Quiet about debconf, and no more than what is named. */
const installCommand = (user: string, packages: string): string =>
  `${user === "root" ? "" : "sudo -n "}env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${packages}`;

/** The plugin checks one key only, so the one that its ssh client (Go's) would choose first. */
function connectionOf({ host, port, user, hostKeys }: Omit<Target, "jump">) {
  const order = ["ecdsa-", "ssh-rsa", "ssh-ed25519"];
  const rank = (key: string) => order.findIndex((prefix) => key.startsWith(prefix));
  return { host, port, user, hostKey: hostKeys.toSorted((a, b) => rank(a) - rank(b))[0] as string };
}
