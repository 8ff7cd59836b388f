/** A VPS made ready for a pull by hand, from the templates, and a home in a temporary folder. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout } from "node:timers/promises";
import Handlebars from "handlebars";
import { initRepository } from "../../pull/borg.ts";
import type { Host } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { ownerMark } from "../../schema/names.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { version } from "../../schema/version.ts";
import { jobData } from "../job-file.ts";

export const owner = "demo/test";
/** Long and odd on purpose: it must survive every shell on its way. This process's own, as all processes of the machine are searched for it. */
export const passphrase = `s3cret 'with" $odd \\ parts %s ${"x".repeat(20)} ${process.pid}`;

export type Privilege = "read-all" | "user" | "root";

/** A home of its own: config, state, repositories; the environment points at it until it is disposed of. */
export function makeHome(): { readonly folder: string } & Disposable {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-home-"));
  process.env.BORGPULL_CONFIG = path.join(folder, "config");
  process.env.BORGPULL_STATE = path.join(folder, "state");
  for (const name of ["config/jobs", "config/keys", "config/passphrases"]) {
    fs.mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 });
  }
  return { folder, [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true, force: true }) };
}

/** The job's key, passphrase, repository and job file at home. */
export async function makeJob(
  home: { readonly folder: string },
  host: Host,
  job: string,
  limits: Partial<JobFile["limits"]> = {},
  encryption: "repokey-blake2" | "authenticated-blake2" = "repokey-blake2",
): Promise<string> {
  const paths = homePaths();
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", job, "-f", paths.pullKey(job)]);
  fs.writeFileSync(paths.passphrase(job), `${passphrase}\n`, { mode: 0o600 });
  const repository = path.join(home.folder, "repositories", job);
  await initRepository({ repository, encryption, passphraseFile: paths.passphrase(job) });
  const { jump: _, ...admin } = host.target();
  const sound = jobData(
    { owner, job, repository, passphraseFile: paths.passphrase(job) },
    { admin, key: paths.pullKey(job) },
  );
  const data = { ...sound, limits: { ...sound.limits, ...limits } };
  fs.writeFileSync(paths.jobFile(job), JSON.stringify(data), { mode: 0o600 });
  return paths.jobFile(job);
}

export function editJob(file: string, change: (job: JobFile) => JobFile): void {
  const job = change(JSON.parse(fs.readFileSync(file, "utf8")) as JobFile);
  fs.writeFileSync(file, JSON.stringify(job));
}

/** What `pulumi up` does to a VPS, in one script. */
export async function furnishVps(
  host: Host,
  job: string,
  options: { readonly privilege?: Privilege } = {},
): Promise<void> {
  const instance = "borgpull";
  const paths = vpsPaths(instance);
  const privilege = options.privilege ?? "read-all";
  const render = (name: string) =>
    Handlebars.compile(fs.readFileSync(new URL(`../../templates/${name}.hbs`, import.meta.url), "utf8"), {
      noEscape: true,
      strict: true,
    })({ mark: ownerMark(owner), instance, paths, privilege, version });
  const publicKey = fs.readFileSync(`${homePaths().pullKey(job)}.pub`, "utf8").trim();
  await put(host, paths.borgctl, "755", render("borgctl"));
  await put(host, paths.helper, "755", render("helper"));
  for (const name of ["create", "commands", "hash", "relay"] as const)
    await put(host, paths[name], "644", render(name));
  await put(
    host,
    paths.tmpfiles,
    "644",
    `d ${paths.run} 0700 ${instance} ${instance} -\nf ${paths.lock} 0640 root ${instance} -\n`,
  );
  await put(host, paths.sudoers, "440", `${instance} ALL=(root) NOPASSWD: ${paths.helper}\n`);
  await put(host, paths.dropIn, "644", dropIn(instance));
  await put(
    host,
    paths.authorizedKeys,
    "644",
    `restrict,port-forwarding,permitlisten="localhost:1",permitopen="localhost:1",command="exec ${paths.borgctl} ${job}" ${publicKey}\n`,
  );
  await settings(host, job, {});
  await host.run(`
    getent passwd ${instance} >/dev/null || useradd --system --home-dir ${paths.home} --create-home --shell /bin/sh ${instance}
    usermod -p '*' ${instance}
    systemd-tmpfiles --create ${paths.tmpfiles}
    `);
  await reloadSshd(host);
}

/** The job's root-owned files on the VPS. */
export async function settings(
  host: Host,
  job: string,
  options: { readonly roots?: readonly string[]; readonly conf?: Readonly<Record<string, string>> },
): Promise<void> {
  const { jobs } = vpsPaths("borgpull");
  const conf = { compression: "lz4", one_file_system: "yes", ...options.conf };
  const lines = Object.entries(conf).map(([name, value]) => `${name}='${value.replaceAll("'", "'\\''")}'`);
  await put(host, `${jobs}/${job}.conf`, "644", `${lines.join("\n")}\n`);
  const roots = (options.roots ?? ["/etc", "/usr/share/doc"]).map((root) => `R ${root}`);
  await put(host, `${jobs}/${job}.patterns`, "644", `${roots.join("\n")}\n`);
}

export async function put(host: Host, file: string, mode: string, content: string): Promise<void> {
  await host.run(`mkdir -p ${path.posix.dirname(file)} && cat > ${file} && chmod ${mode} ${file}`, {
    stdin: content,
  });
}

export const dropIn = (instance: string, extra = ""): string =>
  `Match User ${instance}
    AuthorizedKeysFile /etc/ssh/${instance}.authorized_keys
    AuthenticationMethods publickey
    AcceptEnv BORG_PASSPHRASE
    AllowStreamLocalForwarding remote
    StreamLocalBindUnlink yes
    AllowTcpForwarding remote
    PermitListen none
    PermitOpen none
    PermitTTY no
    PermitUserRC no
    X11Forwarding no
    AllowAgentForwarding no
    MaxSessions 2
    ClientAliveInterval 30
    ClientAliveCountMax 6
${extra}`;

/** Reloads a host's sshd, and waits until the new one listens: the old one still answers for a moment, and then nobody does. */
export async function reloadSshd(host: Host): Promise<void> {
  await host.run(`
    listening() { awk '$2 ~ /:0016$/ && $4 == "0A" { print $10 }' /proc/net/tcp /proc/net/tcp6 | sort; }
    sshd -t || exit
    before=$(listening)
    systemctl reload ssh || exit
    for each in $(seq 300); do
      now=$(listening)
      # one socket each for IPv4 and IPv6, and none of them the old one
      [ "$(echo "$now" | wc -w)" -lt "$(echo "$before" | wc -w)" ] || echo "$now" | grep -qxF "$before" || exit 0
      sleep 0.1
    done
    echo "sshd does not listen again" >&2
    exit 1`);
}

/** Waits until something is so; fails by name when it is not within the time. */
export async function waitFor(
  what: string,
  is: () => boolean | Promise<boolean>,
  seconds = 30,
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await is())) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await setTimeout(50);
  }
}

/** What a run may leave behind, on either side: processes, sockets, locks. */
export async function remains(host: Host, job: JobFile): Promise<readonly string[]> {
  const processes = fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const text = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        // Other tests pull jobs of the same name at the same time: ours is in our own state folder.
        const ours = fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(homePaths().state);
        return ours && text.includes(`./${job.job} `) ? [text] : [];
      } catch {
        return []; // it ended
      }
    });
  const inside = await host.run(
    "ps -eo args= | grep -E 'local/lib/borgpull|borg .*create|/run/borgpull/|hook-of-the-test' | grep -v grep || true; ls -A /run/borgpull",
  );
  const locks = ["lock.exclusive"].filter((name) => fs.existsSync(path.join(job.repository, name)));
  return [...processes, ...inside.split("\n").filter(Boolean), ...locks];
}
