/** Everything that a person may write about a host or a job, in a stack's config and as arguments of `Vps` and `PullJob`. */
import type { Channel } from "../schema/notify.ts";

/** How to reach a machine by ssh. */
export interface LoginOptions {
  /**
   * Name or address to connect to.
   * @example "web1.example.com"
   */
  readonly address: string;
  /**
   * The administrator's login: root, or an account with `sudo -n` for everything.
   * @default "root"
   */
  readonly user?: string | undefined;
  /** @default 22 */
  readonly port?: number | undefined;
  /**
   * The administrator's key: `"agent"` for the ssh agent of SSH_AUTH_SOCK, or the path of an unencrypted private key.
   * @default "agent" when SSH_AUTH_SOCK is set, else "~/.ssh/id_ed25519"
   */
  readonly identity?: string | undefined;
  /**
   * The host's public key, one or several. Nothing else is ever talked to. `npx borgpull host-key <address>` prints it to be compared.
   * @default what `knownHosts` pins for the address
   * @example "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI..."
   */
  readonly hostKey?: string | readonly string[] | undefined;
  /**
   * A known_hosts file to take the host's keys from, hashed names and `[host]:port` included.
   * @default "~/.ssh/known_hosts"
   */
  readonly knownHosts?: string | undefined;
}

/** A VPS. */
export interface HostOptions extends LoginOptions {
  /** A host to go through, itself with a pinned key. */
  readonly jump?: LoginOptions | undefined;
  /**
   * What a backup may read: `"read-all"` every file and nothing more (borg runs with CAP_DAC_READ_SEARCH alone), `"user"` what
   * the account may read, `"root"` everything, as root.
   * @default "read-all"
   */
  readonly privilege?: "read-all" | "user" | "root" | undefined;
  /**
   * Name of the account and of every path on the VPS. Two homes that back up one VPS use two instances.
   * @default "borgpull"
   */
  readonly instance?: string | undefined;
  /**
   * `"install"`: apt-get what is missing, through @pulumi/command and the ssh agent. Packages stay when the host is removed.
   * @default "none"
   */
  readonly packages?: "install" | "none" | undefined;
  /**
   * More settings for the account's Match block in sshd_config; none of borgpull's own.
   * @example { extra: { RekeyLimit: "1G 1h" } }
   */
  readonly sshd?:
    | { readonly extra?: Readonly<Record<string, string | number | boolean>> | undefined }
    | undefined;
  /**
   * Take over an account or a file of ours by name that borgpull did not make.
   * @default false
   */
  readonly adopt?: boolean | undefined;
}

/** A command on the VPS, run by /bin/sh as the user named. */
export interface HookOptions {
  /** @example "postgres" */
  readonly user: string;
  /** @example "pg_dumpall -f /var/backups/pg.sql" */
  readonly run: string;
  /**
   * It is ended after so long, and has failed.
   * @default "1h"
   */
  readonly timeout?: string | undefined;
}

/** A command at home, run by /bin/sh as the user who runs borgpull. */
export interface HomeHookOptions {
  /** @example "mount /srv/backup" */
  readonly run: string;
  /** @default "1h" */
  readonly timeout?: string | undefined;
}

/** Commands around the backup. */
export interface HooksOptions {
  /** Before it; when it fails, nothing is backed up. */
  readonly before?: HookOptions | undefined;
  /** After it, whatever came of it. */
  readonly after?: HookOptions | undefined;
  /** When `before`, a dump or the backup failed, before `after`. */
  readonly onError?: HookOptions | undefined;
  /** The same at home, around each try; `before` runs before anything is connected, `after` once everything is done, care included. */
  readonly atHome?:
    | {
        readonly before?: HomeHookOptions | undefined;
        readonly after?: HomeHookOptions | undefined;
        readonly onError?: HomeHookOptions | undefined;
      }
    | undefined;
}

/** A command whose output goes into the archive without touching the VPS's disk. */
export interface DumpOptions {
  /** @example "postgres" */
  readonly user: string;
  /** @example "pg_dump --format=custom shop" */
  readonly run: string;
}

/**
 * How often home does what to a repository, after a good run: a duration, or "never". Nothing is removed while tampering waits for a
 * decision, or after a check or proof that has failed, until one of the same kind is good (`borgpull check <job>`).
 */
export interface CareOptions {
  /**
   * Removes what `keep` does not keep. In the next pull borg on the VPS reads over the link the lists of files of all archives that are
   * new since the last prune (docs/performance.md), so more often costs more.
   * @default "1w"
   */
  readonly prune?: string | undefined;
  /**
   * Frees the room of what was removed, for good; when all checks that are due were good. First that long after the first prune, so that
   * what a `keep` that is too small has removed can be brought back until then (`borgpull rollback <job> --to <run>`).
   * @default "1w"
   */
  readonly compact?: string | undefined;
  /** borg's check of the repository: reads all of it from the disk. First that long after the first run. @default "4w" */
  readonly checkRepository?: string | undefined;
  /** borg's check that all that the archives are made of is there, without reading it. First that long after the first run. @default "4w" */
  readonly checkArchives?: string | undefined;
  /** Reads, decrypts and compares all data: slow. First that long after the first run. @default "never" */
  readonly checkData?: string | undefined;
  /** Restores a sample of files and compares them with those on the VPS. @default "1w" */
  readonly proof?: string | undefined;
}

/** A way to tell a person of a job's state. `on`: what of it is told, all but "warning" unless said otherwise. */
export type ChannelOptions = Channel;

/**
 * How many archives to keep of each kind, as borg prune counts them: the newest of each hour, day and so on, in home's time zone and
 * by home's clock. Only archives that home trusts are counted and removed; the newest of them always stays.
 */
export interface KeepOptions {
  readonly hourly?: number | undefined;
  readonly daily?: number | undefined;
  readonly weekly?: number | undefined;
  readonly monthly?: number | undefined;
  readonly yearly?: number | undefined;
}

/** What every job may set, also for all jobs of a host or of the stack. */
export interface JobDefaults {
  /**
   * What to leave out: patterns as for `borg create --exclude` (fm: unless they say sh:, re:, pp: or pf:).
   * @example ["*.cache", "/var/www/tmp"]
   */
  readonly exclude?: readonly string[] | undefined;
  /**
   * borg's compression. zstd because the way home is what a pull waits for: it packs a third tighter than lz4 and one core
   * still outruns the link.
   * @default "zstd"
   * @example "lz4"
   */
  readonly compression?: string | undefined;
  /**
   * Stay on the file systems that the paths are on.
   * @default true
   */
  readonly oneFileSystem?: boolean | undefined;
  /**
   * Commands on the VPS around the backup; a `before` that fails ends the run.
   * @example { before: { user: "postgres", run: "pg_dumpall -f /var/backups/pg.sql" } }
   */
  readonly hooks?: HooksOptions | undefined;
  /**
   * Dumps of databases, by name: each command's output becomes a file of that name in `borgpull-dumps.zip`, a file of the archive that
   * is never on the VPS's disk. One that fails makes the run one with warnings, of which `notify` tells ("dumps-failed"), and has a file
   * `<name>.FAILED` beside it. `keep` prefers archives with all of their dumps.
   * @example { "shop.pgdump": { user: "postgres", run: "pg_dump --format=custom shop" } }
   */
  readonly dumps?: Readonly<Record<string, DumpOptions>> | undefined;
  /**
   * borg's encryption of a new repository, with the key in it and a copy beside.
   * @default "repokey-blake2"
   */
  readonly encryption?: "repokey-blake2" | "repokey" | "authenticated-blake2" | "authenticated" | undefined;
  /**
   * Take over a repository that borgpull did not make: `encryption` says how it was made, and its passphrase is in the job's passphrase file.
   * @default false
   */
  readonly import?: boolean | undefined;
  /**
   * When the timer at home pulls, as systemd's OnCalendar (systemd.time(7)); without it there is no timer.
   * @example "*-*-* 03:00:00"
   */
  readonly schedule?: string | undefined;
  /**
   * Each time the timer waits up to so long, at random, so that not all jobs begin at once.
   * @default "5m"
   */
  readonly randomizedDelay?: string | undefined;
  /**
   * How many runs of all jobs at home may be under way at once, timers, `borgpull run` and `pulumi up` together.
   * @default 4
   */
  readonly maxParallel?: number | undefined;
  /**
   * What to keep. After a good pull, as often as `care.prune` says, the rest is removed, unless the repository was tampered with.
   * `borgpull prune <job> --dry-run` shows what would go.
   * @default all of them
   * @example { daily: 7, weekly: 4, monthly: 12 }
   */
  readonly keep?: KeepOptions | undefined;
  /**
   * How often home prunes, compacts, checks and proves, after a good run.
   * @example { prune: "1w", checkData: "12w" }
   */
  readonly care?: CareOptions | undefined;
  /**
   * Whom to tell of a failure, of tampering, of a stale backup, of dumps that failed, and of its end: once per change. Kinds: ntfy, mail,
   * webhook, healthchecks, command; all that they take is in schema/notify.ts, an example of each in Pulumi.example.yaml. Secrets are in files.
   * @example { phone: { kind: "ntfy", urlFile: "/etc/borgpull/ntfy-url" } }
   */
  readonly notify?: Readonly<Record<string, ChannelOptions>> | undefined;
  /**
   * A last good backup older than this is stale.
   * @default "36h"
   */
  readonly staleAfter?: string | undefined;
  /**
   * When `pulumi up` pulls: when the last good backup is stale, on every `up`, or never. BORGPULL_PULL overrides it for one run.
   * @default "stale"
   */
  readonly pull?: "stale" | "always" | "never" | undefined;
  /**
   * After every change of what lets the pull key in, try with it what it must not be able to do on the VPS.
   * @default true
   */
  readonly audit?: boolean | undefined;
  /**
   * Which pull key it is: raise it, and the next `pulumi up` makes a new one and puts it in the old one's place. The old one works until the
   * new one is proved and in use.
   * @default 1
   */
  readonly pullKeyGeneration?: number | undefined;
  /** Limits of one run, and of the repository. */
  readonly limits?:
    | {
        /**
         * The whole run, from connecting to the end.
         * @default "24h"
         */
        readonly total?: string | undefined;
        /**
         * No byte and no line from the VPS for this long ends the run. Hooks and dumps that take long are no silence:
         * a hook has its own limit, a dump an hour without a byte.
         * @default "15m"
         */
        readonly stall?: string | undefined;
        /**
         * How long borg waits for the repository's lock.
         * @default "1m"
         */
        readonly lockWait?: string | undefined;
        /**
         * How large the repository may grow, so that a hostile VPS cannot fill home's disk. Without it, until little is left free.
         * @example "500GB"
         */
        readonly quota?: string | undefined;
        /**
         * A run does not begin with less free on the repository's file system.
         * @default "1GB"
         */
        readonly free?: string | undefined;
        /**
         * How often a run is tried again when the VPS cannot be reached.
         * @default 2
         */
        readonly retries?: number | undefined;
        /**
         * Before the first of these tries; twice as long before the next one.
         * @default "1m"
         */
        readonly retryWait?: string | undefined;
      }
    | undefined;
  /**
   * Where the pull key is good from, as in authorized_keys' `from=`; without it, anywhere.
   * @example ["192.0.2.7", "2001:db8::/32"]
   */
  readonly from?: string | readonly string[] | undefined;
  /**
   * The day on which the pull key stops being good. Quote it: YAML makes a date of it otherwise.
   * @example "2030-12-31"
   */
  readonly expiry?: string | undefined;
}

/** One backup: some paths of one VPS into one repository. */
export interface JobOptions extends JobDefaults {
  /**
   * What to back up, absolute.
   * @example ["/etc", "/home", "/var/www"]
   */
  readonly paths: readonly string[];
  /**
   * Folder of the borg repository on the machine at home, one per job.
   * @default "<borgpull:repositories>/<job>"
   */
  readonly repository?: string | undefined;
  /**
   * The name that this job had before: its repository, passphrase, keys and records are this one's then. The repository stays in the folder
   * with the old name, unless `repository` says where it was moved.
   * @example "web1"
   */
  readonly renamedFrom?: string | undefined;
}
