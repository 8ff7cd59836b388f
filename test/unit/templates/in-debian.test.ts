/** What sudo and sshd of a real Debian make of our texts. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sshdSettings } from "../../../config/sshd.ts";
import { ownerMark } from "../../../schema/names.ts";
import { vpsPaths } from "../../../schema/paths.ts";
import * as templates from "../../../templates/index.ts";
import { shellWord } from "../../../templates/quote.ts";
import { inDebian, withoutRoot } from "../../debian.ts";

const mark = ownerMark("borgpull/test");
const paths = vpsPaths("office");
const data = { mark, instance: "office", paths };
const account = "useradd --system --user-group --shell /bin/sh --home-dir /var/lib/office office\n";
const put = (path: string, text: string, mode: string): string =>
  `mkdir -p ${path.replace(/\/[^/]*$/, "")}; printf %s ${shellWord(text)} >${path}; chmod ${mode} ${path}\n`;

for (const base of ["debian12", "debian13"] as const)
  suite(`on ${base}`, { skip: withoutRoot }, () => {
    /** Runs a command line as the account: its output, or the exit code. */
    async function asAccount(...lines: readonly string[]): Promise<readonly string[]> {
      const helper = `#!/bin/sh\nread -r line; echo "$(id -un) $# $line"\n`;
      const each = lines.map(
        (line) =>
          `printf 'passphrase\\n' | setpriv --reuid office --regid office --init-groups sh -c ${shellWord(line)} 2>/dev/null || echo refused; `,
      );
      const ready =
        account + put(paths.sudoers, templates.sudoers(data), "0440") + put(paths.helper, helper, "0755");
      return (await inDebian(base, `${ready}visudo -cq >&2\n${each.join("\n")}`)).trim().split("\n");
    }

    test("sudo lets the account call the helper as borgctl does, stdin and all", async () => {
      assert.deepEqual(
        await asAccount(
          `sudo -n -- ${paths.helper} create web1 20300101-abcd`,
          `sudo -n -- ${paths.helper} check web1`,
          `sudo -n -- ${paths.helper} hash web1 20300101-abcd`,
          `sudo -n -l ${paths.helper} >/dev/null && echo may`,
        ),
        ["root 3 passphrase", "root 2 passphrase", "root 3 passphrase", "may"],
      );
    });

    test("sudo refuses everything else", async () => {
      const lines = [
        `sudo -n -- ${paths.helper} create web1 run more`,
        `sudo -n -- ${paths.helper} create web1 ../x`,
        `sudo -n -- ${paths.helper} hash web1 run /etc/shadow`,
        `sudo -n -- ${paths.helper} createhash web1 run`,
        `sudo -n -- ${paths.helper} create web1 'x
y'`,
        `sudo -n -- ${paths.helper} remove web1`,
        `sudo -n -u daemon -- ${paths.helper} check web1`,
        `sudo -n -- ${paths.borgctl} check web1`,
        "sudo -n -- /bin/sh",
      ];
      assert.deepEqual(
        await asAccount(...lines),
        lines.map(() => "refused"),
      );
    });

    test("sshd puts every setting in force for the account, and none for others", async () => {
      const settings = sshdSettings("office", { RekeyLimit: "1G 1h", GatewayPorts: false });
      const dropIn = templates.sshdDropIn({ mark, user: "office", settings });
      const hardened =
        "AllowTcpForwarding no\nDisableForwarding yes\nAllowUsers admin\nAllowGroups admins\nForceCommand /bin/false\nMaxSessions 1\n";
      const script =
        account +
        put(paths.dropIn, dropIn, "0644") +
        put("/etc/ssh/sshd_config.d/99-hardened.conf", hardened, "0644") +
        "mkdir -p /run/sshd; ssh-keygen -A >/dev/null; sshd=/usr/sbin/sshd; $sshd -t\n" +
        "for user in office root; do echo == $user; $sshd -T -C user=$user,host=x,addr=192.0.2.1; done";
      const [, office = "", root = ""] = (await inDebian(base, script)).split(/^== .*\n/m);
      const inForce = new Set(office.split("\n"));
      const missing = Object.entries(settings)
        .filter(([keyword]) => keyword !== "RekeyLimit")
        .map(([keyword, value]) => `${keyword.toLowerCase()} ${value}`)
        .filter((line) => !inForce.has(line));
      assert.deepEqual(missing, []);
      assert.match(office, /^rekeylimit 1073741824 3600$/m);
      assert.match(root, /^maxsessions 1$/m);
      assert.match(root, /^allowusers admin$/m);
      assert.doesNotMatch(root, /^acceptenv BORG_PASSPHRASE$/m);
    });

    test("tmpfiles makes the run folder and the lock", async () => {
      const script = `${account}${put(paths.tmpfiles, templates.tmpfiles(data), "0644")}systemd-tmpfiles --create ${paths.tmpfiles}
stat -c '%U:%G %a %F' ${paths.run} ${paths.lock}`;
      assert.equal(
        await inDebian(base, script),
        "office:office 700 directory\nroot:office 640 regular empty file\n",
      );
    });
  });
