import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { probe } from "../../pull/probe.ts";
import { connect } from "../../remote/connect.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { planned } from "./plan.ts";
import { openProgram, type Program } from "./program.ts";

const paths = vpsPaths("borgpull");
const never = { env: { BORGPULL_PULL: "never" } };
let program: Program;

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
  await program.configure({ web1: program.entry("web1") });
  const { code, out } = await program.up(never);
  assert.equal(code, 0, out);
});
after(() => program?.[Symbol.asyncDispose]());

const run = (script: string) => program.host("web1").run(script);

/** All that borgpull keeps on the host, and what sshd and sudo make of it. */
const onHost = () =>
  run(`
    for file in ${Object.values(paths).join(" ")} ${paths.libexec}/* ${paths.jobs}/*; do
        [ -e "$file" ] || { echo "$file absent"; continue; }
        stat -c '%n %A %U:%G' "$file"
        [ ! -f "$file" ] || sha256sum "$file"
    done
    getent passwd borgpull; getent shadow borgpull | cut -d: -f2; id borgpull
    sshd -T -C user=borgpull,host=localhost,addr=127.0.0.1
    sudo -n -l -U borgpull | grep NOPASSWD`);

const pullKey = () => readJobFile(homePaths(program.stack.env).jobFile("web1")).pull;
const publicKey = () =>
  fs
    .readFileSync(`${homePaths(program.stack.env).pullKey("web1")}.pub`, "utf8")
    .split(" ")
    .slice(0, 2)
    .join(" ");

/** What the pull key may do with a command of its own: "" when nothing. */
async function withPullKey(command: string): Promise<string> {
  await using connection = await connect(pullKey());
  return (await connection.exec(command, { timeoutSeconds: 20 })).stdout.toString();
}

const canPull = async () => (await probe({ target: pullKey(), instance: "borgpull" })).ok;

interface Damage {
  readonly what: string;
  /** Done by hand on the host; it must not fail. */
  readonly script: string;
  /** What the preview plans, line by line. */
  readonly plan: readonly string[];
  /** What is wrong as long as the damage stands: shows that the repair repairs something. Asked before the next damage is done. */
  readonly harm?: () => Promise<boolean>;
}

/**
 * The damages of a round show in a plain preview as what they are and in its exit code, and one `up` mends them. That the next preview is
 * clean then shows in the next round, whose plan is that round's own damages and nothing else, and at the end.
 */
async function areShownAndRepaired(damages: readonly Damage[]): Promise<void> {
  const sound = await onHost();
  for (const { what, script, harm } of damages) {
    await run(script);
    if (harm) assert.ok(await harm(), `${what}: it does harm`);
  }
  const preview = await program.preview({ ...never, args: ["--expect-no-changes"] });
  const up = await program.up(never); // before the first assertion: the next round begins with a sound host
  assert.deepEqual(
    byResource(planned(preview.out)),
    byResource(damages.flatMap(({ plan }) => plan)),
    preview.out,
  );
  assert.equal(preview.code, 7);
  assert.equal(up.code, 0, up.out);
  const done = up.out.match(/^ +[~+] (\d+) (updated|created)$/gm)?.map((line) => Number(/\d+/.exec(line)));
  assert.equal(
    done?.reduce((sum, each) => sum + each),
    damages.length,
    up.out,
  );
  assert.equal(await onHost(), sound);
  for (const { what, harm } of damages)
    if (harm) assert.equal(await harm(), false, `${what}: the harm is gone`);
}

/** The lines of each resource together: which resource comes first is the engine's choice. */
const byResource = (lines: readonly string[]): readonly string[] =>
  lines
    .join("\n")
    .split(/\n(?=[~+] web1-)/)
    .toSorted();

const cannotPull = async () => !(await canPull().catch(() => false));

const gone = (name: string, file: string): Damage => ({
  what: `${file} deleted`,
  script: `rm ${file}; systemctl reload ssh`,
  plan: [`+ web1-${name} (create)`],
});

/** Each touches resources of its own, and what would hide another's harm comes after it. */
const rounds: readonly (readonly Damage[])[] = [
  [
    {
      what: "a line of the sshd drop-in",
      script: `sed -i 's/AllowTcpForwarding remote/AllowTcpForwarding no/' ${paths.dropIn} && systemctl reload ssh`,
      plan: [
        "~ web1-sshd (update)",
        "~ content:",
        "- AllowTcpForwarding no",
        "+ AllowTcpForwarding remote",
        "~ settings: {",
        '~ AllowTcpForwarding: "no" => "remote"',
      ],
      harm: cannotPull,
    },
    {
      what: "an option of the key line",
      script: `sed -i 's/^restrict,/restrict,pty,/' ${paths.authorizedKeys}`,
      plan: ["~ web1-key (update)", "~ options: {", '- pty: ""'],
    },
    {
      what: "borgctl",
      script: `printf '%s\\n' 'echo "by hand"' >> ${paths.borgctl}`,
      plan: ["~ web1-borgctl (update)", "~ content:", '- echo "by hand"'],
    },
    {
      what: "the sudoers file",
      script: `echo 'borgpull ALL=(ALL) NOPASSWD: ALL' >> ${paths.sudoers}`,
      plan: ["~ web1-sudoers (update)", "~ content:", "- borgpull ALL=(ALL) NOPASSWD: ALL"],
      harm: async () => (await run("su -s /bin/sh borgpull -c 'sudo -n id -u' || true")).trim() === "0",
    },
    {
      what: "the account's shell, its groups and its password",
      script: "usermod --shell /bin/bash --append --groups adm --password '' borgpull",
      plan: [
        "~ web1-account (update)",
        "~ groups: [",
        '- [0]: "adm"',
        '~ password: "empty" => "*"',
        '~ shell: "/bin/bash" => "/bin/sh"',
      ],
    },
  ],
  [
    {
      what: "the mode of the sshd drop-in",
      script: `chmod 666 ${paths.dropIn} && systemctl reload ssh`,
      plan: ["~ web1-sshd (update)", '~ mode: "0666" => "0644"'],
    },
    {
      what: "the run folder gone",
      script: `rmdir ${paths.run}`,
      plan: [
        "~ web1-tmpfiles (update)",
        "~ folder: {",
        '+ group: "borgpull"',
        '+ mode: "0700"',
        '+ user: "borgpull"',
      ],
      harm: cannotPull,
    },
    {
      what: "the forced command of the key line",
      script: `sed -i 's/command="[^"]*"/command="id -un"/' ${paths.authorizedKeys}`,
      plan: ["~ web1-key (update)", `~ command: "id -un" => "exec ${paths.borgctl} web1"`],
      harm: async () => (await withPullKey("id -un")) !== "",
    },
  ],
  [
    {
      what: "sshd not reloaded: the file is right, and sshd runs with another",
      script: `
        cp -p ${paths.dropIn} /root/sound
        sed -i 's/AllowTcpForwarding remote/AllowTcpForwarding no/' ${paths.dropIn}
        systemctl reload ssh
        timeout 20 sh -c 'until nc -w 1 localhost 22 </dev/null | grep -q SSH; do :; done' # it has read it
        mv /root/sound ${paths.dropIn}`,
      plan: ["~ web1-sshd (update)", "~ loaded: false => true"],
      harm: cannotPull,
    },
    {
      what: "the key file's mode and owner",
      script: `chown borgpull:adm ${paths.authorizedKeys}; chmod 664 ${paths.authorizedKeys}`,
      plan: ["~ web1-key (update)", '~ file: "0664 borgpull:adm" => "0644 root:root"'],
    },
  ],
  [
    {
      what: "a second copy of the key without options, ahead of ours in our file",
      get script() {
        return `sed -i '1i ${publicKey()} copied' ${paths.authorizedKeys}`;
      },
      get plan() {
        return ["~ web1-key (update)", "~ strays: [", `- [0]: "1: ${publicKey()} copied"`];
      },
      harm: async () => (await withPullKey("id -un")) !== "",
    },
    { ...gone("sshd", paths.dropIn), harm: cannotPull },
  ],
  [
    {
      what: "the lock file gone",
      script: `rm ${paths.lock}`,
      plan: [
        "~ web1-tmpfiles (update)",
        "~ folder: {",
        "~ files: {",
        `~ ${paths.lock}: "absent" => "0640 root:borgpull"`,
      ],
      harm: cannotPull,
    },
  ],
  [{ ...gone("helper", paths.helper), harm: cannotPull }],
  [{ ...gone("key", paths.authorizedKeys), harm: cannotPull }],
];

describe("by hand on a host", { timeout: 600_000 }, () => {
  for (const damages of rounds) {
    it(damages.map(({ what }) => what).join("; "), () => areShownAndRepaired(damages));
  }

  it("a copy of the key in root's own file is named with its line, and is not ours to change", async () => {
    const file = "/root/.ssh/authorized_keys";
    await run(`echo '${publicKey()} copied' >> ${file}`);
    const [line = "0"] = (await run(`grep -n copied ${file}`)).split(":");
    const damaged = await run(`sha256sum ${file}`);

    const preview = await program.preview({ ...never, args: ["--expect-no-changes"] });
    const plan = ["~ web1-key (update)", "~ elsewhere: [", `- [0]: "${file}:${line}"`];
    assert.deepEqual(planned(preview.out), plan, preview.out);
    assert.equal(preview.code, 7);

    const up = await program.up(never);
    assert.notEqual(up.code, 0);
    assert.match(up.out, new RegExp(`stands in ${file}:${line}.*not ours to change: remove that line`));
    assert.equal(await run(`sha256sum ${file}`), damaged);
    assert.equal(await program.clean(), 7, "it shows until somebody has removed it");

    await run(`sed -i '/copied$/d' ${file}`);
    assert.equal(await program.clean(), 0);
  });
});
