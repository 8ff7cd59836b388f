/** The sandbox's hosts, dressed for a measurement, and how every tool reaches them. */
import * as fs from "node:fs";
import * as path from "node:path";
import { inTurns } from "../../sandbox/in-turns.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import type { Target } from "../../schema/target.ts";

/** How a host is reached: at its own address, or by a port at home that leads to it with latency. */
export interface Place {
  readonly name: string;
  readonly target: Target;
}

/**
 * A login ends with its session, so that each run finds the host as a person's first one of the day does; and sshd notes each session, so
 * that they can be counted.
 */
const dress = `mkdir -p /etc/systemd/logind.conf.d
printf '[Login]\\nUserStopDelaySec=0\\n' > /etc/systemd/logind.conf.d/bench.conf
printf 'LogLevel VERBOSE\\n' > /etc/ssh/sshd_config.d/10-bench.conf
systemctl restart systemd-logind ssh`;

export interface Machines extends AsyncDisposable {
  readonly lab: Lab;
  readonly hosts: readonly Host[];
  /** All of them as new: a fresh Debian each, with new host keys. */
  reinstall(): Promise<void>;
}

/** Boots so many hosts. */
export async function openMachines(count: number): Promise<Machines> {
  const lab = await openLab();
  const names = Array.from({ length: count }, (_, n) => `vps${String(n + 1).padStart(2, "0")}`);
  const hosts = await inTurns(names, (name) => lab.boot({ name, base: "debian12", login: "root" }));
  await inTurns(hosts, (host) => host.run(dress));
  return {
    lab,
    hosts,
    reinstall: async () => {
      await inTurns(hosts, async (host) => {
        await host.reinstall();
        await host.run(dress);
      });
    },
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}

/** @param ports a port at home for each host; none: the hosts themselves */
export function placesOf(hosts: readonly Host[], ports: readonly number[] | undefined): readonly Place[] {
  return hosts.map((host, index) => {
    const port = ports?.[index];
    const target = host.target();
    return { name: host.name, target: port === undefined ? target : { ...target, host: "127.0.0.1", port } };
  });
}

/** What OpenSSH's client needs to know them by name. Returns the configuration's path. */
export function writeSshConfig(folder: string, places: readonly Place[]): string {
  const known = writeKnownHosts(folder, places);
  const blocks = places.map(({ name, target: { host, port, user, auth } }) =>
    [
      `Host ${name}`,
      `  HostName ${host}`,
      `  Port ${port}`,
      `  User ${user}`,
      `  IdentityFile ${auth}`,
      "  IdentitiesOnly yes",
      `  UserKnownHostsFile ${known}`,
      "  GlobalKnownHostsFile /dev/null",
      "  StrictHostKeyChecking yes",
      "",
    ].join("\n"),
  );
  const file = path.join(folder, "ssh_config");
  fs.writeFileSync(file, blocks.join("\n"));
  return file;
}

export function writeKnownHosts(folder: string, places: readonly Place[]): string {
  const lines = places.flatMap(({ target: { host, port, hostKeys } }) =>
    hostKeys.map((key) => `${port === 22 ? host : `[${host}]:${port}`} ${key}\n`),
  );
  const file = path.join(folder, "known_hosts");
  fs.writeFileSync(file, lines.join(""));
  return file;
}
