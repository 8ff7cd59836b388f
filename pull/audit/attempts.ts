/**
 * What an audit tries. Each line says why it does no harm where it is let in: all of it runs on hosts of which the worst is to be
 * expected, and nothing may be left there.
 */
import { vpsPaths } from "../../schema/paths.ts";
import type { SessionRequest } from "./channels.ts";
import type { Expected, Seen } from "./judge.ts";
import type { Place, Run, Sshd } from "./sshd.ts";

/** One thing to try on an open connection. */
export interface Trial {
  readonly tried: string;
  readonly expected: Expected;
  run(sshd: Sshd): Promise<Seen>;
}

export interface Audited {
  readonly instance: string;
  readonly job: string;
  /** A run's name that nobody else has. */
  readonly run: string;
  /** How sshd lets this account log in. */
  readonly methods: readonly string[];
}

const refused: Expected = { kind: "refused" };
const granted: Expected = { kind: "granted" };
const borgctl = (code: number): Expected => ({ kind: "borgctl", code });

const request = (tried: string, what: SessionRequest, expected: Expected = refused): Trial => ({
  tried,
  expected,
  run: (sshd) => sshd.request(what),
});
const listen = (tried: string, at: Place, expected: Expected = refused): Trial => ({
  tried,
  expected,
  run: (sshd) => sshd.listen(at),
});
const open = (tried: string, to: Place): Trial => ({
  tried,
  expected: refused,
  run: (sshd) => sshd.open(to),
});
const run = (tried: string, what: Run, expected: Expected, stdin?: string | Uint8Array): Trial => ({
  tried,
  expected,
  run: (sshd) => sshd.run(what, stdin),
});

/** The attempts, in their order: the last ends the connection. */
export function attempts(audited: Audited): readonly Trial[] {
  return [
    ...login(audited),
    ...sessionRequests(),
    ...tcp(),
    ...unix(audited),
    ...programs(audited),
    ...commands(audited),
  ];
}

function login({ methods }: Audited): readonly Trial[] {
  return [
    {
      // the list that sshd sends before the key is shown: no wrong password is tried, which sshd (9.8 on) and fail2ban would punish
      tried: "how one may log in",
      expected: { kind: "methods", methods: ["publickey"] },
      run: async () => ({ kind: "methods", methods }),
    },
    {
      // nothing runs in them
      tried: "sessions at the same time",
      expected: { kind: "sessions", open: 2 },
      run: (sshd) => sshd.sessions(4),
    },
  ];
}

/** A session in which nothing runs: whatever is granted is gone with it, and no variable reaches a process. */
function sessionRequests(): readonly Trial[] {
  const variables = [
    ...["BORG_RSH", "BORG_PASSCOMMAND", "BORG_LOGGING_CONF", "BORG_REPO", "BORG_BASE_DIR"],
    ...["LD_PRELOAD", "PATH", "ENV", "PYTHONPATH", "LC_ALL", "SSH_AUTH_SOCK", "SSH_ORIGINAL_COMMAND"],
  ];
  return [
    request("a terminal", "terminal"),
    request("agent forwarding", "agent"),
    request("X11 forwarding", "x11"),
    request("variable BORG_PASSPHRASE", { variable: "BORG_PASSPHRASE" }, granted),
    ...variables.map((variable) => request(`variable ${variable}`, { variable })),
  ];
}

function tcp(): readonly Trial[] {
  return [
    // a port that nobody knows, given back at once; who finds it in between is sent away
    listen("TCP -R, a port of all addresses", { host: "0.0.0.0", port: 0 }),
    listen("TCP -R, a port of localhost", { host: "localhost", port: 0 }),
    // what permitlisten= names, because it must name something: no account but root may listen there
    listen("TCP -R, localhost:1", { host: "localhost", port: 1 }),
    // sshd itself, which is told nothing and hung up on
    open("TCP -L to 127.0.0.1:22", { host: "127.0.0.1", port: 22 }),
    // what permitopen= names, because it must name something: nobody listens there
    open("TCP -L to localhost:1", { host: "localhost", port: 1 }),
    // an address that is nobody's (RFC 5737): what -D or a proxy would be used for
    open("TCP -L or -D to 192.0.2.1:80", { host: "192.0.2.1", port: 80 }),
  ];
}

/**
 * sshd cannot restrict the paths of -R (channels.c, remote_open_match): only the rights of the account do. A folder is tried with a
 * name that nobody has: where a socket can be made, a file could be replaced (StreamLocalBindUnlink). Folders that any account may
 * write, such as /tmp, are not tried: it would work, and sshd leaves the socket there for good.
 */
function unix({ instance, run: name }: Audited): readonly Trial[] {
  const paths = vpsPaths(instance);
  const folders = ["/etc", "/etc/ssh", "/root", "/run", "/usr/local/bin", paths.libexec, paths.jobs];
  const ours = `${paths.run}/${name}.sock`;
  return [
    // nothing reads a file of this name in any of them; where one can be made, an empty socket stays and shows it
    ...folders.map((folder) => listen(`unix -R in ${folder}`, { path: `${folder}/${instance}-audit.sock` })),
    // no such folder: nothing can be there
    listen(`unix -R in ${paths.run}-audit`, { path: `${paths.run}-audit/x.sock` }),
    // the one thing that a pull needs; borgctl removes it below
    listen("unix -R of a run's socket", { path: ours }, granted),
    // it leads back to us, and we hang up
    open("unix -L to that socket", { path: ours }),
    // any account may connect to these two, and many do: nothing is said to them
    open("unix -L to the system bus", { path: "/run/dbus/system_bus_socket" }),
    open("unix -L to the journal", { path: "/run/systemd/journal/stdout" }),
  ];
}

/** Prints something that stands in none of the commands. */
const harmless = "echo borgpull-audit-$((6 * 7))";

function programs({ instance }: Audited): readonly Trial[] {
  const nowhere = `${vpsPaths(instance).run}-audit`;
  return [
    // a shell would print one line and find the end of its input
    run("a shell", "shell", borgctl(200), `${harmless}\n`),
    run("another command", { command: harmless }, borgctl(200)),
    // a server that gets a greeting, answers it, and finds the end of its input
    run("sftp", { subsystem: "sftp" }, borgctl(200), Uint8Array.of(0, 0, 0, 5, 1, 0, 0, 0, 3)),
    // receives no file before its input ends, and the target's folder is not there
    run("scp to the VPS", { command: `scp -t ${nowhere}/x` }, borgctl(200)),
    // reads a file that is not there
    run("scp from the VPS", { command: `scp -f ${nowhere}/x` }, borgctl(200)),
  ];
}

/** Commands of borgctl with something wrong in them. `probe` changes nothing; `create` stops before it begins, for want of what it needs. */
function commands({ job, run: name }: Audited): readonly Trial[] {
  const env = { BORG_PASSPHRASE: "borgpull-audit" };
  const probe = (tried: string, rest: string, code = 201) =>
    run(tried, { command: `probe ${rest}`, env }, borgctl(code));
  return [
    // removes that run's socket again
    run("create without a passphrase", { command: `create ${name}` }, borgctl(203)),
    run("create without a socket", { command: `create ${name}`, env }, borgctl(202)),
    // none of these lists names a file that could be read
    run("hash without paths", { command: `hash ${name}` }, borgctl(219)),
    run("hash of a path with ..", { command: `hash ${name}` }, borgctl(219), "/../borgpull-audit\0"),
    run("hash of 100 kB of paths", { command: `hash ${name}` }, borgctl(219), `/${"a".repeat(100_000)}\0`),
    run("hash without a run's name", { command: "hash" }, borgctl(201)),
    run("create without a run's name", { command: "create", env }, borgctl(201)),
    run("no verb", { command: "", env }, borgctl(200)),
    run("another verb", { command: `CREATE ${name}`, env }, borgctl(200)),
    run("a verb of the helper's", { command: `check ${job}`, env }, borgctl(200)),
    // it would be one more argument, and changes nothing
    run("another job's name", { command: `create another-job ${name}`, env }, borgctl(201)),
    // a path that is not there
    probe("a run's name with /", "borgpull/audit-run"),
    probe("a run's name with ..", "../borgpull-audit"),
    // were any of these run, it would print a line
    probe("a run's name with a new line", `${name}\n${harmless}`),
    probe("a run's name with $()", `audit-run-$(${harmless})`),
    probe("a run's name with ;", `${name};${harmless}`),
    probe("a run's name with a quote", `${name}'"\`${harmless}\``),
    probe("a run's name with *", "audit-run-*"),
    // too long to be a socket's name
    probe("a run's name of 41 characters", "a".repeat(41)),
    probe("a run's name of 100 kB", "a".repeat(100_000)),
    {
      // sshd takes no packet of more than 256 KiB (packet.c, PACKET_MAX_SIZE) and hangs up; after the login that is no fault that it punishes
      tried: "a run's name of 1 MB",
      expected: refused,
      run: (sshd) => sshd.run({ command: `probe ${"a".repeat(1 << 20)}`, env }),
    },
  ];
}
