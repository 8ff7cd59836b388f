/** The how-to that everybody starts from: socat, `ssh -R`, `nc -U`, and nothing that looks at what came. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { initRepository } from "../../pull/borg.ts";
import type { Host } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { passphrase, put, reloadSshd } from "../../test/e2e/pull-fixture.ts";
import { openFarLink } from "../far-links.ts";
import { measure } from "./measured.ts";
import { type Contender, cpuSecondsOf } from "./sample.ts";

const script = (name: string) => fileURLToPath(new URL(`./how-to/${name}`, import.meta.url));

/** An account of its own on the VPS, and a key and an empty repository at home. Needs the passphrase file of `furnishOurs`. */
export async function furnishHowTo(
  home: { readonly folder: string },
  host: Host,
  { compression }: { readonly compression: string },
): Promise<void> {
  const folder = path.join(home.folder, "how-to");
  fs.mkdirSync(folder);
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path.join(folder, "key")]);
  await initRepository({
    repository: path.join(folder, "unused"),
    encryption: "repokey-blake2",
    passphraseFile: homePaths().passphrase("web1"),
  });
  const borgctl = fs.readFileSync(script("borgctl"), "utf8").replace("@COMPRESSION@", compression);
  await put(host, "/usr/local/bin/borgctl", "755", borgctl);
  const dropIn =
    "Match User howto\n    AcceptEnv LANG LC_* BORG_*\n    StreamLocalBindUnlink yes\n    MaxSessions 10\n";
  await put(host, "/etc/ssh/sshd_config.d/61-howto.conf", "644", dropIn);
  await host.run("useradd --create-home --shell /bin/bash howto && usermod -p '*' howto");
  const key = fs.readFileSync(path.join(folder, "key.pub"), "utf8");
  const line = `restrict,port-forwarding,command="/usr/local/bin/borgctl" ${key}`;
  await put(host, "/home/howto/.ssh/authorized_keys", "600", line);
  await host.run("chmod 700 /home/howto/.ssh && chown -R howto: /home/howto");
  await reloadSshd(host);
}

/** @param latency milliseconds */
export async function howTo(
  home: { readonly folder: string },
  host: Host,
  latency: number,
): Promise<Contender & AsyncDisposable> {
  const link = await openFarLink(host.address, latency);
  const folder = path.join(home.folder, "how-to");
  const repository = path.join(folder, "repository");
  const known = path.join(folder, "known_hosts");
  fs.writeFileSync(known, host.hostKeys.map((key) => `[127.0.0.1]:${link.port} ${key}\n`).join(""));
  const ssh = ["-F", "none", "-o", `UserKnownHostsFile=${known}`, "-o", "BatchMode=yes"];
  const reach = [...ssh, "-i", path.join(folder, "key"), "-p", String(link.port), "howto@127.0.0.1"];
  return {
    name: "how-to",
    fresh: async () => {
      fs.rmSync(repository, { recursive: true, force: true });
      fs.cpSync(path.join(folder, "unused"), repository, { recursive: true });
      await host.run("rm -rf /home/howto/.cache /home/howto/.config");
    },
    backUp: async () => {
      const before = await cpuSecondsOf(host);
      await link.bytes();
      const { seconds, cpuSeconds, code, stdout, stderr } = await measure(
        [script("borgpull"), repository, ...reach],
        { env: { BORG_PASSPHRASE: passphrase, HOME: folder } },
      );
      if (code !== 0) throw new Error(`the how-to: ${code}\n${stdout}${stderr}`);
      const { sent, received } = await link.bytes();
      const vpsCpuSeconds = (await cpuSecondsOf(host)) - before;
      return { seconds, homeCpuSeconds: cpuSeconds, vpsCpuSeconds, toVps: sent, fromVps: received };
    },
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}
