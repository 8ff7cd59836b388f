/** Everything that a person may write about a host or a job, in a stack's config and as arguments of `Vps` and `PullJob`. */

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
}

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
  readonly hooks?:
    | { readonly before?: HookOptions | undefined; readonly after?: HookOptions | undefined }
    | undefined;
  /**
   * borg's encryption of a new repository, with the key in it and a copy beside.
   * @default "repokey-blake2"
   */
  readonly encryption?: "repokey-blake2" | "repokey" | "authenticated-blake2" | "authenticated" | undefined;
  /**
   * Take over a repository that borgpull did not make.
   * @default false
   */
  readonly import?: boolean | undefined;
  /**
   * When the timer at home pulls, as systemd's OnCalendar (systemd.time(7)); without it there is no timer.
   * @example "*-*-* 03:00:00"
   */
  readonly schedule?: string | undefined;
  /**
   * What to keep. Once a week, after a good pull, the rest is removed and its room freed, unless the repository was tampered with.
   * `borgpull prune <job> --dry-run` shows what would go.
   * @default all of them
   * @example { daily: 7, weekly: 4, monthly: 12 }
   */
  readonly keep?: KeepOptions | undefined;
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
  /** Limits of one run, and of the repository. */
  readonly limits?:
    | {
        /**
         * The whole run, from connecting to the end.
         * @default "24h"
         */
        readonly total?: string | undefined;
        /**
         * No byte and no line from the VPS for this long ends the run. Longer than the longest hook.
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
}
