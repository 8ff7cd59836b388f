/** A VPS as `pulumi up` leaves it, from the texts and settings that it writes; the jobs' pull keys are in a folder of the test. */
import * as fs from "node:fs";
import * as path from "node:path";
import { jobSettings } from "../../config/job.ts";
import type { JobOptions } from "../../config/options.ts";
import { sshdSettings } from "../../config/sshd.ts";
import { renderKeyLine } from "../../remote/facts/keys.ts";
import { command } from "../../sandbox/command.ts";
import type { Host } from "../../sandbox/lab.ts";
import { ownerMark } from "../../schema/names.ts";
import { vpsPaths } from "../../schema/paths.ts";
import { version } from "../../schema/version.ts";
import * as templates from "../../templates/index.ts";
import { shellWord } from "../../templates/quote.ts";
import { reloadSshd } from "../e2e/pull-fixture.ts";

export const instance = "borgpull";
export const paths = vpsPaths(instance);
const mark = ownerMark("demo/attack");

interface Written {
  readonly path: string;
  readonly mode: string;
  readonly text: string;
}

/** Account, run folder, borgctl and helper, sudoers, drop-in; no job yet. */
export async function furnish(host: Host, privilege: templates.ProgramData["privilege"] = "read-all") {
  const data = { mark, instance, paths, privilege, version };
  const user = instance;
  await host.run(`id -u ${user} >/dev/null 2>&1 || useradd --system --user-group --home-dir ${paths.home} --shell /bin/sh ${user}
    usermod --password '*' ${user}; install -d -m 700 -o ${user} -g ${user} ${paths.home}`);
  await put(host, [
    { path: paths.tmpfiles, mode: "644", text: templates.tmpfiles(data) },
    { path: paths.borgctl, mode: "755", text: templates.borgctl(data) },
    { path: paths.helper, mode: "755", text: templates.helper(data) },
    { path: paths.relay, mode: "755", text: templates.relay(data) },
    { path: paths.create, mode: "755", text: templates.create(data) },
    { path: paths.commands, mode: "755", text: templates.commands(data) },
    { path: paths.hash, mode: "755", text: templates.hash(data) },
    ...(privilege === "user" ? [] : [{ path: paths.sudoers, mode: "440", text: templates.sudoers(data) }]),
    {
      path: paths.dropIn,
      mode: "644",
      text: templates.sshdDropIn({ mark, user, settings: sshdSettings(instance) }),
    },
  ]);
  await host.run(`systemd-tmpfiles --create ${paths.tmpfiles}`);
  await reloadSshd(host);
}

/** A job's settings and its key line; the private key's path. Done again, the line is the one that `options` give. */
export async function addJob(host: Host, job: string, folder: string, options: JobOptions): Promise<string> {
  const settings = jobSettings(options);
  const { paths: roots, exclude, compression, oneFileSystem, limits, hooks, dumps } = settings;
  await put(host, [
    {
      path: `${paths.jobs}/${job}.patterns`,
      mode: "644",
      text: templates.jobPatterns({ mark, job, paths: roots, exclude }),
    },
    {
      path: `${paths.jobs}/${job}.conf`,
      mode: "644",
      text: templates.jobConf({
        mark,
        job,
        compression,
        oneFileSystem,
        lockWaitSeconds: limits.lockWaitSeconds,
        ...hooks,
        dumps,
      }),
    },
  ]);
  const keyFile = path.join(folder, job);
  if (!fs.existsSync(keyFile)) {
    await command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", job, "-f", keyFile]);
  }
  const [type = "", blob = ""] = fs.readFileSync(`${keyFile}.pub`, "utf8").split(" ");
  const line = renderKeyLine({
    options: { ...settings.keyOptions, command: `exec ${paths.borgctl} ${job}` },
    key: `${type} ${blob}`,
    comment: `${job}: ${mark}`,
  });
  await host.run(
    `touch ${paths.authorizedKeys}; grep -vF '${blob}' ${paths.authorizedKeys} > /root/lines || :
    { cat /root/lines; cat; } > ${paths.authorizedKeys}; chmod 644 ${paths.authorizedKeys}`,
    { stdin: `${line}\n` },
  );
  return keyFile;
}

/** Runs a shell script as the account, as after a break-in; its output, both kinds, and no word of its exit code. */
export const runAsAccount = (host: Host, script: string): Promise<string> =>
  host.run(
    `setpriv --reuid ${instance} --regid ${instance} --init-groups \\
      env -i PATH=/usr/bin:/bin HOME=${paths.home} sh -c ${shellWord(script)} 2>&1 || :`,
  );

/** For such a script: what borgctl does, by hand; the helper takes the end of its input for the end of the run. */
export const callHelper = (words: string): string =>
  `rm -f /tmp/life; mkfifo /tmp/life; sudo -n ${paths.helper} ${words} </tmp/life & exec 9>/tmp/life; echo passphrase >&9; wait $!\n`;

async function put(host: Host, files: readonly Written[]): Promise<void> {
  for (const { path: file, mode, text } of files) {
    await host.run(`mkdir -p ${path.posix.dirname(file)} && cat > ${file} && chmod ${mode} ${file}`, {
      stdin: text,
    });
  }
}
