import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { audit } from "../../pull/audit/audit.ts";
import type { Attempt } from "../../pull/audit/judge.ts";
import { readJobFile } from "../../pull/job.ts";
import { lockJob } from "../../pull/lock.ts";
import { connect } from "../../remote/connect.ts";
import type { Host } from "../../sandbox/lab.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { openProgram, type Program } from "./program.ts";
import { reloadSshd } from "./pull-fixture.ts";

const paths = vpsPaths("borgpull");
const jobs = ["web1", "db1"] as const;
type Job = (typeof jobs)[number];
const saved = [paths.dropIn, paths.authorizedKeys, paths.borgctl];
let program: Program;

before(async () => {
  program = await openProgram([
    { name: "web1", base: "debian12", login: "root" },
    { name: "db1", base: "debian13", login: "root" },
  ]);
  await program.configure(Object.fromEntries(jobs.map((job) => [job, program.entry(job)])));
  const { code, out } = await program.up({ env: { BORGPULL_PULL: "never" } });
  assert.equal(code, 0, out);
  for (const job of jobs) {
    assert.match(out, new RegExp(`borgpull:index:Audit ${job}-audit created`));
    await program.host(job).run(`mkdir /root/sound; cp -p ${saved.join(" ")} /root/sound`);
  }
});
after(() => program?.[Symbol.asyncDispose]());

const home = () => homePaths(program.stack.env);
const jobFile = (job: Job) => readJobFile(home().jobFile(job));

function auditOf(job: Job): Promise<readonly Attempt[]> {
  const { pull: target, instance } = jobFile(job);
  return audit({ target, instance, job });
}
const failing = async (job: Job) =>
  (await auditOf(job)).filter(({ holds }) => !holds).map(({ tried }) => tried);

/** Every socket on the host, but for those of root's last login, and everything of ours in the run folder. */
const sockets = (host: Host) =>
  host.run(
    `find / -xdev -type s; find /run /tmp /dev/shm -path /run/user/0 -prune -o -type s -print; ls -A ${paths.run}; ps -u borgpull -o args= | grep borgctl || true`,
  );

/** What is changed by hand: settings of the drop-in, and what takes the place of a text of the key's line. */
interface Weakening {
  readonly sshd?: Readonly<Record<string, string>>;
  readonly key?: readonly (readonly [string, string])[];
  readonly script?: string;
}

/** Weakens both hosts, audits them, and makes them sound again. */
async function failingWhen({ sshd = {}, key = [], script = ":" }: Weakening): Promise<readonly string[]> {
  const found = await Promise.all(
    jobs.map(async (job) => {
      const host = program.host(job);
      const settings = Object.entries(sshd).map(
        ([keyword, value]) =>
          `sed -i '/^ *${keyword} /d' ${paths.dropIn}; echo '    ${keyword} ${value}' >> ${paths.dropIn}`,
      );
      const line = key.map(
        ([from, to]) =>
          `grep -qF '${from}' ${paths.authorizedKeys} && sed -i 's|${from}|${to}|' ${paths.authorizedKeys}`,
      );
      try {
        await host.run(["set -e", ...settings, ...line, script].join("\n"));
        await reloadSshd(host);
        return await failing(job);
      } finally {
        await host.run(
          `${saved.map((file) => `cp -p /root/sound/${path.basename(file)} ${file}`).join("; ")}; chmod 755 ${paths.jobs}; rm -f ${paths.run}/*.sock ${paths.jobs}/*.sock`,
        );
        await reloadSshd(host);
      }
    }),
  );
  assert.deepEqual(found[0], found[1], "both see the same");
  return found[0] ?? [];
}

/** Everything that borgctl refuses, and the pull itself. */
const allOfBorgctl = [
  "a shell",
  "another command",
  "sftp",
  "scp to the VPS",
  "scp from the VPS",
  "create without a passphrase",
  "create without a socket",
  "hash without paths",
  "hash of a path with ..",
  "hash of 100 kB of paths",
  "hash without a run's name",
  "create without a run's name",
  "no verb",
  "another verb",
  "a verb of the helper's",
  "another job's name",
  "a run's name with /",
  "a run's name with ..",
  "a run's name with a new line",
  "a run's name with $()",
  "a run's name with ;",
  "a run's name with a quote",
  "a run's name with *",
  "a run's name of 41 characters",
  "a run's name of 100 kB",
  "all that a pull needs",
];
const variables = ["RSH", "PASSCOMMAND", "LOGGING_CONF", "REPO", "BASE_DIR"].map(
  (name) => `variable BORG_${name}`,
);
const tcpOut = ["TCP -L to 127.0.0.1:22", "TCP -L to localhost:1", "TCP -L or -D to 192.0.2.1:80"];
const unixOut = ["unix -L to that socket", "unix -L to the system bus", "unix -L to the journal"];

describe("an audit of a host as pulumi up makes it", { timeout: 300_000 }, () => {
  it("holds on both, three times in a row; sshd punishes nothing, and nothing is left", async () => {
    for (const job of jobs) {
      const host = program.host(job);
      const earlier = await sockets(host);
      for (let round = 0; round < 3; round++) {
        const began = performance.now();
        const attempts = await auditOf(job);
        assert.deepEqual(
          attempts.filter(({ holds }) => !holds),
          [],
        );
        assert.ok(performance.now() - began < 10_000);
      }
      // penalties (OpenSSH 9.8) would refuse this one
      await using connection = await connect(jobFile(job).pull);
      assert.equal((await connection.exec("probe")).code, 203);
      assert.equal(await sockets(host), earlier);
    }
  });
});

describe("what is weakened by hand is named by the audit, and nothing else", { timeout: 600_000 }, () => {
  const cases: Readonly<Record<string, Weakening & { readonly names: readonly string[] }>> = {
    "a terminal, allowed by sshd alone: the key's line still refuses it": {
      sshd: { PermitTTY: "yes" },
      names: [],
    },
    "a terminal, allowed by the key's line alone: sshd still refuses it": {
      key: [["restrict,", "restrict,pty,"]],
      names: [],
    },
    "a terminal, allowed by both": {
      sshd: { PermitTTY: "yes" },
      key: [["restrict,", "restrict,pty,"]],
      names: ["a terminal"],
    },
    "agent forwarding, allowed by both": {
      sshd: { AllowAgentForwarding: "yes" },
      key: [["restrict,", "restrict,agent-forwarding,"]],
      names: ["agent forwarding"],
    },
    "a key's line without restrict": { key: [["restrict,", ""]], names: [] },
    "a key's line without restrict, and sshd allows a terminal": {
      sshd: { PermitTTY: "yes" },
      key: [["restrict,", ""]],
      names: ["a terminal"],
    },
    "TCP forwarding, allowed by sshd alone: permitopen lets one port through": {
      sshd: { AllowTcpForwarding: "yes", PermitOpen: "any" },
      names: ["TCP -L to localhost:1"],
    },
    "TCP forwarding, allowed by both": {
      sshd: { AllowTcpForwarding: "yes", PermitOpen: "any" },
      key: [['permitopen="localhost:1",', ""]],
      names: tcpOut,
    },
    "PermitListen any: the key's permitlisten still refuses": { sshd: { PermitListen: "any" }, names: [] },
    "PermitListen any, and no permitlisten": {
      sshd: { PermitListen: "any" },
      key: [['permitlisten="localhost:1",', ""]],
      names: ["TCP -R, a port of all addresses", "TCP -R, a port of localhost"],
    },
    "AllowStreamLocalForwarding yes: three other settings still keep off the sockets of the VPS": {
      sshd: { AllowStreamLocalForwarding: "yes" },
      names: [],
    },
    "everything of TCP and unix sockets of the VPS, allowed by both": {
      sshd: { AllowStreamLocalForwarding: "yes", AllowTcpForwarding: "yes", PermitOpen: "any" },
      key: [['permitopen="localhost:1",', ""]],
      names: [...tcpOut, ...unixOut],
    },
    "AcceptEnv BORG_*": { sshd: { AcceptEnv: "BORG_*" }, names: variables },
    "AcceptEnv LD_PRELOAD": {
      sshd: { AcceptEnv: "BORG_PASSPHRASE LD_PRELOAD" },
      names: ["variable LD_PRELOAD"],
    },
    "the passphrase's variable refused": {
      sshd: { AcceptEnv: "NOTHING" },
      names: ["variable BORG_PASSPHRASE", "create without a socket", "all that a pull needs"],
    },
    "ten sessions": { sshd: { MaxSessions: "10" }, names: ["sessions at the same time"] },
    "a login by password": {
      sshd: { AuthenticationMethods: "any", PasswordAuthentication: "yes" },
      names: ["how one may log in"],
    },
    "a key's line without its command": {
      script: `sed -i 's/,command="[^"]*"//' ${paths.authorizedKeys}`,
      names: allOfBorgctl,
    },
    "borgctl without its checks of a run's name": {
      script: `sed -i '/die 201/d' ${paths.borgctl}`,
      names: allOfBorgctl.filter((name) => name.includes("'s name")),
    },
    "the key without options, before its line": {
      script: `sed -n 's/.*\\(ssh-ed25519 [^ ]*\\).*/\\1 stray/p' ${paths.authorizedKeys} > /root/stray; cat /root/sound/${path.basename(paths.authorizedKeys)} >> /root/stray; cat /root/stray > ${paths.authorizedKeys}`,
      names: allOfBorgctl,
    },
    "the key without options, after its line: the first line counts": {
      script: `sed -n 's/.*\\(ssh-ed25519 [^ ]*\\).*/\\1 stray/p' ${paths.authorizedKeys} > /root/stray; cat /root/stray >> ${paths.authorizedKeys}`,
      names: [],
    },
    "a folder of ours that anybody may write": {
      script: `chmod 777 ${paths.jobs}`,
      names: [`unix -R in ${paths.jobs}`],
    },
  };
  for (const [name, { names, ...weakening }] of Object.entries(cases))
    it(name, async () => {
      assert.deepEqual(await failingWhen(weakening), names);
    });
});

describe("borgpull audit", { timeout: 300_000 }, () => {
  const audited = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    borgpull(["audit", ...words], { env: { ...program.stack.env, ...env } });

  it("prints a table and exits with 0 when all holds; as JSON on demand", async () => {
    const { code, stdout, stderr } = await audited(["db1"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^ +tried +expected +seen\nok +how one may log in +publickey alone +publickey\n/);
    assert.match(stdout, /\ndb1: (\d+) of \1 hold\n$/);
    const json = await audited(["--json", "db1"]);
    assert.equal(json.code, 0);
    const attempts = JSON.parse(json.stdout) as readonly Attempt[];
    assert.ok(attempts.length > 30 && attempts.every(({ holds }) => holds));
  });

  it("exits with 2 when something does not, which comes first", async () => {
    const host = program.host("db1");
    await host.run(`sed -i 's/MaxSessions 2/MaxSessions 3/' ${paths.dropIn}`);
    await reloadSshd(host);
    const { code, stdout } = await audited(["db1"]);
    await host.run(`cp -p /root/sound/60-borgpull.conf ${paths.dropIn}`);
    await reloadSshd(host);
    assert.equal(code, 2);
    const [, first, second] = stdout.split("\n");
    assert.match(`${first}`, /^FAILS sessions at the same time +2 at most +3$/);
    assert.match(`${second}`, /^ok /);
  });

  it("exits with 75 when the host is not to be reached, and with 2 while the job is worked on", async () => {
    const elsewhere = await fs.mkdtemp(path.join(program.stack.folder, "elsewhere-"));
    await fs.mkdir(path.join(elsewhere, "jobs"));
    const job = jobFile("db1");
    const moved = { ...job, pull: { ...job.pull, port: 23 } };
    await fs.writeFile(path.join(elsewhere, "jobs/db1.json"), JSON.stringify(moved));
    const away = await audited(["db1"], { BORGPULL_CONFIG: elsewhere });
    assert.deepEqual([away.code, away.stdout], [75, ""]);
    assert.match(away.stderr, /cannot be reached/);
    using _lock = lockJob(home().lock("db1"), "db1");
    const busy = await audited(["db1"]);
    assert.equal(busy.code, 2);
    assert.match(busy.stderr, /Job db1 is being worked on/);
  });
});
