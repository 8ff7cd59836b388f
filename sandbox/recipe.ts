/** What a base tree is made of. Decides only; `base.ts` builds. */
import { createHash } from "node:crypto";

export const suites = { debian11: "bullseye", debian12: "bookworm", debian13: "trixie" } as const;
export type Base = keyof typeof suites;

export const bases = Object.keys(suites) as readonly Base[];

/** What a small VPS has that a bare Debian has not. */
const packages = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "libpam-systemd",
  "openssh-server",
  "sudo",
  "borgbackup",
  "netcat-openbsd",
  "iproute2",
];

/** They wake up by the hour and would reach for a network that a sandbox host does not have. */
const unwantedTimers = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"];

/** Every host gets its own host keys; the builder's name servers are not for it. */
const customize = [
  'rm -f "$1"/etc/ssh/ssh_host_*',
  'rm -f "$1"/etc/resolv.conf',
  ...unwantedTimers.map((timer) => `ln -s /dev/null "$1"/etc/systemd/system/${timer}`),
];

/** The arguments for mmdebstrap, save where to build and from which mirror. */
export function recipe(base: Base): readonly string[] {
  return [
    "--mode=root",
    "--variant=minbase",
    "--components=main",
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    `--include=${packages.join(",")}`,
    ...customize.map((hook) => `--customize-hook=${hook}`),
    suites[base],
  ];
}

/** The folder of a base in the cache: another recipe is another folder. */
export const folderName = (base: Base): string =>
  `${base}-${createHash("sha256")
    .update(JSON.stringify(recipe(base)))
    .digest("hex")
    .slice(0, 12)}`;

/** One of apt's index targets, as `apt-get indextargets --format` below prints it. */
export const targetFormat = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)";

/** This machine's own Debian mirror, from apt's index targets; it has the other suites too. */
export function debianMirror(targets: string): string | undefined {
  return targets
    .split("\n")
    .map((line) => line.split(" "))
    .find(
      ([uri = "", release = "", component, origin]) =>
        component === "main" &&
        !release.includes("-") &&
        // Before the first `apt-get update` the origin is not known yet.
        (origin === "Debian" || uri.endsWith("/debian/")),
    )?.[0];
}
