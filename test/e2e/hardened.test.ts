import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openLedger } from "../../pull/ledger.ts";
import type { HostSpec } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { type Ended, openProgram, type Program } from "./program.ts";

/** What hardening guides and images of providers do; the Include of Debian's sshd_config stays at its top. */
const harden = `
  set -e
  cat >> /etc/ssh/sshd_config <<END
AllowUsers admin
AllowGroups admin
AllowTcpForwarding no
AllowStreamLocalForwarding no
DisableForwarding yes
AllowAgentForwarding no
PermitTunnel no
PermitUserEnvironment no
MaxSessions 1
MaxAuthTries 2
MaxStartups 3
LoginGraceTime 10
AuthenticationMethods publickey
Banner /etc/issue.net
LogLevel VERBOSE
Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com
KexAlgorithms curve25519-sha256
MACs hmac-sha2-512-etm@openssh.com
END
  echo 'Authorized uses only.' > /etc/issue.net
  echo 'session optional pam_umask.so umask=0077' >> /etc/pam.d/common-session
  echo 'session optional pam_umask.so umask=0077' >> /etc/pam.d/common-session-noninteractive
  echo 'Defaults umask=0077, umask_override, use_pty' > /etc/sudoers.d/umask
  mount -t tmpfs -o noexec,nosuid,nodev tmpfs /tmp
  mount -t tmpfs -o noexec,nosuid,nodev tmpfs /var/tmp
  mount -o remount,noexec /run
  mount -o remount,hidepid=invisible /proc
  rm -f /usr/bin/nc /bin/nc /etc/alternatives/nc /usr/bin/nc.openbsd /bin/nc.openbsd
  systemctl reload ssh`;

interface Case {
  readonly spec: HostSpec;
  /** What is done to the fresh host, as root. */
  readonly prepare: string;
  /** What stands in the way, each as it is said; none where it works. */
  readonly says: readonly RegExp[];
}

const cases: readonly Case[] = [
  {
    spec: { name: "strict12", base: "debian12", login: "admin" },
    prepare: harden,
    says: [],
  },
  {
    spec: { name: "strict13", base: "debian13", login: "admin" },
    prepare: harden,
    says: [],
  },
  {
    spec: { name: "old", base: "debian11", login: "root" },
    prepare: "true",
    says: [
      /Debian GNU\/Linux 11 \(bullseye\)\) cannot be backed up yet, and nothing was changed/,
      /borg 1\.1\.\d+ is not supported: install borg 1\.2 or 1\.4/,
    ],
  },
  {
    spec: { name: "bare", base: "debian12", login: "root" },
    prepare: `rm -f /usr/bin/borg /usr/bin/sudo /usr/sbin/visudo /bin/nc* /usr/bin/nc* /usr/bin/python3*
      sed -i '/^Include/d' /etc/ssh/sshd_config; systemctl reload ssh`,
    says: [
      /borg is not installed: apt-get install borgbackup\./,
      /sudo is not installed: apt-get install sudo, or set privilege: "user"\./,
      /Neither an nc that knows -U and -N nor python3 is there: apt-get install netcat-openbsd\./,
      /sshd_config does not include drop-ins: put "Include \/etc\/ssh\/sshd_config\.d\/\*\.conf" at its top/,
    ],
  },
  {
    spec: { name: "late", base: "debian13", login: "admin" },
    prepare: `cd /etc/ssh; grep -v '^Include' sshd_config > new
      printf 'Match User guest\\n  PermitTTY no\\nInclude /etc/ssh/sshd_config.d/*.conf\\n' >> new
      cat new > sshd_config; rm new; systemctl reload ssh`,
    says: [/sshd_config does not include drop-ins: put .* at its top, before any Match/],
  },
  {
    spec: { name: "earlier", base: "debian12", login: "admin" },
    prepare: `printf 'Match All\\n  AllowTcpForwarding no\\n  AuthorizedKeysFile .ssh/authorized_keys\\n' > /etc/ssh/sshd_config.d/20-hardening.conf
      systemctl reload ssh`,
    says: [
      /sshd would not put the whole drop-in in force: /,
      /AllowTcpForwarding would be "no" instead of "remote"/,
      /AuthorizedKeysFile would be ".ssh\/authorized_keys" instead of/,
    ],
  },
  {
    spec: { name: "unrooted", base: "debian12", login: "admin" },
    prepare: "rm /usr/bin/sudo",
    says: [/sudo is not installed, and admin is not root\. Log in as root \(user: root\), or install sudo/],
  },
];
const refused = cases.filter(({ says }) => says.length > 0);
const strict = cases.filter(({ says }) => says.length === 0).map(({ spec }) => spec.name);

let program: Program;
const snapshots = new Map<string, string>();

/** Everything that borgpull could make or change on a VPS; logs and what a login and sudo leave of themselves are not it. */
const snapshot = (name: string) =>
  program.host(name).run(`
    find /etc /usr/local /root /home /var/spool -xdev ! -name .sudo_as_admin_successful -printf '%p %M %U %G %l\\n'
    find /etc /usr/local /root /home /var/spool -xdev ! -name .sudo_as_admin_successful -type f -exec sha256sum {} +
    find /var/lib /var/cache /tmp -maxdepth 1
    find /run -name '*borgpull*'
    getent passwd; getent group; getent shadow
    systemctl list-unit-files --no-legend; systemctl list-timers --all --no-legend | grep borgpull || :`);

/** The lines that came and went. */
function changes(before = "", after = ""): readonly string[] {
  const [old, now] = [before, after].map((text) => new Set(text.split("\n"))) as [Set<string>, Set<string>];
  return [
    ...[...old].flatMap((line) => (now.has(line) ? [] : [`- ${line}`])),
    ...[...now].flatMap((line) => (old.has(line) ? [] : [`+ ${line}`])),
  ];
}

/** sshd's settings for the administrator. */
const forAdmin = (name: string) =>
  program.host(name).run("sshd -T -C user=admin,host=localhost,addr=127.0.0.1");
const adminsBefore = new Map<string, string>();

interface State {
  readonly deployment: {
    readonly resources: readonly { readonly urn: string; readonly outputs?: Record<string, unknown> }[];
  };
}

let previewed: Ended;
let done: Ended;

before(async () => {
  program = await openProgram(cases.map(({ spec }) => spec));
  await Promise.all(
    cases.map(async ({ spec: { name }, prepare }) => {
      await program.host(name).run(prepare);
      snapshots.set(name, await snapshot(name));
      adminsBefore.set(name, await forAdmin(name));
    }),
  );
  const small = { paths: ["/etc/ssh"] };
  await program.configure(
    Object.fromEntries(cases.map(({ spec: { name } }) => [name, program.entry(name, small)])),
  );
  previewed = await program.preview();
  done = await program.up();
});

after(async () => {
  await program?.[Symbol.asyncDispose]();
});

/** The part of the engine's output that is about a host: the lines that name its address. */
const about = (name: string, { out }: Ended): string =>
  out
    .split("\n")
    .filter((line) => line.includes(program.host(name).address))
    .join("\n");

for (const {
  spec: { name, base },
  says,
} of refused) {
  test(`${name} (${base}) is refused with what stands in the way, by preview and up, and nothing on it has changed`, async () => {
    for (const sentence of says) {
      assert.match(about(name, previewed), sentence);
      assert.match(about(name, done), sentence);
    }
    assert.notEqual(done.code, 0);
    assert.deepEqual(changes(snapshots.get(name), await snapshot(name)), []);
  });
}

for (const name of strict) {
  test(`${name} is set up and pulled as it is, and nothing changes for its administrator`, async () => {
    assert.equal(about(name, done), "");
    using ledger = openLedger(homePaths({ ...program.stack.env }).stateDb);
    const last = ledger.lastGood(name);
    assert.equal(last?.outcome, "good", done.out);
    assert.ok((last?.figures?.files ?? 0) > 3);
    const now = await forAdmin(name);
    assert.equal(now, adminsBefore.get(name));
    for (const strictness of ["disableforwarding yes", "allowtcpforwarding no", "maxsessions 1"]) {
      assert.ok(now.split("\n").includes(strictness), strictness);
    }
    const clean = ["preview", "--expect-no-changes", "--target", `**${name}*`];
    const { code, out } = await program.begin(clean).ended;
    assert.equal(code, 0, out);
    const state = JSON.parse(await program.exportState()) as State;
    const preflight = state.deployment.resources.find(({ urn }) => urn.endsWith(`${name}-preflight`));
    assert.equal(preflight?.outputs?.relay, "python3", "no nc is there");
  });
}
