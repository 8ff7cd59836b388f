/** Where borgpull's things are: on a VPS they follow from the instance's name, at home from the user. */
import * as os from "node:os";
import * as path from "node:path";

/** Every path that an instance has on a VPS. */
export function vpsPaths(instance: string) {
  return {
    // not /var/lib/<instance>: that is where the state of a home is, which may be a VPS of another
    home: `/var/lib/${instance}-account`,
    run: `/run/${instance}`,
    tmpfiles: `/etc/tmpfiles.d/${instance}.conf`,
    libexec: `/usr/local/lib/${instance}`,
    borgctl: `/usr/local/lib/${instance}/borgctl`,
    helper: `/usr/local/lib/${instance}/helper`,
    relay: `/usr/local/lib/${instance}/relay`,
    create: `/usr/local/lib/${instance}/create`,
    commands: `/usr/local/lib/${instance}/commands`,
    hash: `/usr/local/lib/${instance}/hash`,
    sudoers: `/etc/sudoers.d/${instance}`,
    dropIn: `/etc/ssh/sshd_config.d/60-${instance}.conf`,
    authorizedKeys: `/etc/ssh/${instance}.authorized_keys`,
    jobs: `/etc/${instance}/jobs`,
    /** A pull holds it shared, a change of a file exclusively. */
    lock: `/run/${instance}.lock`,
    /** While `borgpull forward` runs: a folder a job. Root's, so that the account gets at none. */
    attended: `/run/${instance}-attended`,
    /** The home of a borg that root uses by hand then. */
    attendedCache: `/var/cache/${instance}/attended`,
  } as const;
}

/** Where the things of a job are below home's config folder. */
export const configPaths = (config: string) => ({
  jobFile: (job: string) => path.join(config, "jobs", `${job}.json`),
  /** The first one has the job's name alone; a dot is in no job's name. */
  pullKey: (job: string, generation = 1) =>
    path.join(config, "keys", generation === 1 ? job : `${job}.${generation}`),
  passphrase: (job: string) => path.join(config, "passphrases", job),
  keyCopy: (job: string) => path.join(config, "repositories", job),
});

/** Config and state at home: the system's folders as root, the XDG ones otherwise. BORGPULL_CONFIG and BORGPULL_STATE override. */
export function homePaths(env: Readonly<Record<string, string | undefined>> = process.env) {
  const root = os.userInfo().uid === 0;
  const xdg = (name: string, fallback: string) =>
    path.join(env[name] || path.join(os.homedir(), fallback), "borgpull");
  const config = env.BORGPULL_CONFIG || (root ? "/etc/borgpull" : xdg("XDG_CONFIG_HOME", ".config"));
  const state = env.BORGPULL_STATE || (root ? "/var/lib/borgpull" : xdg("XDG_STATE_HOME", ".local/state"));
  return {
    config,
    state,
    ...configPaths(config),
    stateDb: path.join(state, "state.db"),
    lock: (job: string) => path.join(state, "locks", `${job}.db`),
    /** What runs take their turn by; in a folder of its own, as a job may have any name. */
    slots: path.join(state, "locks", "slots"),
    /** What V8 made of the program last time. */
    compileCache: path.join(state, "compile-cache"),
  };
}
