import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { type Argv, attempt } from "../../sandbox/command.ts";
import { homePaths } from "../../schema/paths.ts";
import { processes } from "./processes.ts";
import { openProgram, type Program } from "./program.ts";
import { waitFor } from "./pull-fixture.ts";

let program: Program;
/** When this file began, in seconds since 1970. */
const began = Date.now() / 1000;
/** What must stay where it belongs: name -> its text. */
let secrets: ReadonlyMap<string, string>;

const web1 = () => program.host("web1");
const home = () => homePaths({ ...program.stack.env });
const pullNow = { env: { BORGPULL_PULL: "all" } };
/** The pull alone, with everything before it left as it is. */
const onlyPull = { ...pullNow, args: ["--target", "**web1-pull"] };

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "admin" }]);
  await web1().run("head -c 25M /dev/urandom > /srv/big");
  const slow = { paths: ["/etc", "/srv"], compression: "lzma,9", limits: { lockWait: "5s" } };
  await program.configure({ web1: program.entry("web1", slow) });
  const { code, out } = await program.up({ env: { BORGPULL_PULL: "never" } });
  assert.equal(code, 0, out);
  secrets = new Map([
    ["passphrase", fs.readFileSync(home().passphrase("web1"), "utf8").trim()],
    ["pull key", seedLine(home().pullKey("web1"))],
    ["admin key", seedLine(program.lab.adminKeyFile)],
  ]);
});

after(async () => {
  await program?.[Symbol.asyncDispose]();
});

/** The line of an OpenSSH ed25519 key file that holds the secret half (bytes 161 to 192): any copy or quotation of the file has it. */
function seedLine(file: string): string {
  const line = fs.readFileSync(file, "utf8").split("\n")[4] ?? "";
  assert.match(line, /^[A-Za-z0-9+/]{70}$/);
  return line;
}

/** The secrets that a text holds, by name. */
const secretsIn = (text: string): readonly string[] =>
  [...secrets].flatMap(([name, secret]) => (text.includes(secret) ? [name] : []));

/** Arguments and environment of every process of this machine; those of the VPS are among them. */
const inProcesses = (): readonly string[] =>
  processes().flatMap(({ command, environment }) => [
    ...secretsIn(command).map((name) => `${name} in the arguments of ${command.slice(0, 60)}`),
    ...secretsIn(environment).map((name) => `${name} in the environment of ${command.slice(0, 60)}`),
  ]);

const patterns = () => `${[...secrets.values()].join("\n")}\n`;

/**
 * Files of the stack (state, config, records, repositories) and temporary ones that hold a secret, but for where each belongs.
 * Of the temporary ones those that were written since the secrets exist: nobody knows what else lies there.
 */
async function inFiles(): Promise<readonly string[]> {
  const folders = [...new Set([os.tmpdir(), program.stack.folder, path.dirname(program.stack.configFile)])];
  const since = ["-newermt", `@${Math.floor(began)}`];
  const argv: Argv = [
    "find",
    ...folders,
    "-name",
    "node_modules",
    "-prune",
    "-o",
    "-type",
    "f",
    ...since,
    "-print0",
  ];
  const { stdout } = await attempt(argv, { timeoutSeconds: 60 });
  const belong = [home().passphrase("web1"), home().pullKey("web1"), program.lab.adminKeyFile];
  const files = stdout.split("\0").filter((file) => file !== "" && !belong.includes(file));
  return files.filter((file) => secretsIn(textOf(file)).length > 0);
}

/** A file's bytes as a text, empty if it has gone since. */
function textOf(file: string): string {
  try {
    return fs.readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

/** On the VPS, as its root: processes, the journal, and every file written since it was made, in memory too. */
async function onVps(): Promise<readonly string[]> {
  const list = "/dev/shm/what-is-searched-for";
  const search = `
    cat > ${list}
    for process in /proc/[0-9]*; do
      cat "$process/cmdline" "$process/environ" 2>/dev/null | grep -qaFf ${list} &&
        echo "process $(tr '\\0' ' ' < "$process/cmdline")"
    done
    journalctl --no-pager --output=export | grep -qaFf ${list} && echo journal
    find / /run /tmp /dev/shm -xdev -type f -newer /etc/machine-id -size -40M ! -path ${list} -print0 |
      xargs -0 grep -laFsf ${list}
    rm ${list}`;
  const found = await web1().run(search, { stdin: patterns(), timeoutSeconds: 120 });
  return found.split("\n").filter(Boolean);
}

const everywhere = async (): Promise<readonly string[]> => [
  ...inProcesses(),
  ...(await inFiles()),
  ...(await onVps()),
];

test("what is somewhere is found there", async () => {
  const decoy = `decoy-${process.pid}-${Date.now()}`;
  const real = secrets;
  secrets = new Map([["decoy", decoy]]);
  const planted = path.join(os.tmpdir(), `planted-${process.pid}`);
  fs.writeFileSync(planted, JSON.stringify({ key: `-----BEGIN\n${decoy}\n` }));
  const leak = spawn("sleep", ["60"], { env: { LEAK: decoy } });
  try {
    await web1().run(
      `read -r secret; echo "$secret" > /var/log/planted; echo "$secret" | systemd-cat; journalctl --sync
      systemd-run --quiet --setenv="LEAK=$secret" sleep 60`,
      { stdin: `${decoy}\n` },
    );
    await waitFor("the planted processes", () => inProcesses().length >= 2);
    const found = await everywhere();
    for (const place of [
      "decoy in the environment of sleep 60",
      planted,
      "process /usr/bin/sleep 60 ",
      "journal",
      "/var/log/planted",
    ]) {
      assert.ok(found.includes(place), `${place} in ${found.join("\n")}`);
    }
  } finally {
    leak.kill();
    fs.rmSync(planted);
    secrets = real;
  }
});

test("while a pull runs, and after it, no secret is in a process, a file, a log, the engine's output at its most talkative, or the state", async () => {
  const up = program.begin(["up", "--yes", "--skip-preview", "--logtostderr", "-v=9"], pullNow);
  let over = false;
  void up.ended.then(() => {
    over = true;
  });
  const reading = "pgrep -f '[b]org .*create' > /dev/null && echo yes || echo no";
  await waitFor("borg on the VPS", async () => (await web1().run(reading)) === "yes\n", 60);
  const found = new Set<string>();
  let searches = 0;
  while (!over) {
    for (const hit of await everywhere()) found.add(hit);
    if (!over) searches++;
  }
  const { code, out } = await up.ended;
  assert.equal(code, 0, out.slice(-2000));
  assert.ok(searches >= 2, `${searches} searches`);
  assert.deepEqual([...found], []);
  assert.match(out, /^\{"time":.*web1-pull.*"v":9\}$/m);
  assert.deepEqual(secretsIn(out), []);
  assert.deepEqual(await everywhere(), []);
});

test("nor in a preview, the outputs and the exported state, secrets shown", async () => {
  const preview = await program.preview(pullNow);
  assert.match(preview.out, /web1-pull/);
  const outputs = await program.begin(["stack", "output", "--json", "--show-secrets"]).ended;
  assert.match(outputs.out, /lastGood/);
  const state = await program.exportState();
  assert.match(state, /"publicKey"/);
  assert.deepEqual(secretsIn(preview.out + outputs.out + state), []);
});

test("nor in the errors of a pull: a passphrase that is wrong, a forwarding that is refused", async () => {
  const file = home().passphrase("web1");
  const right = fs.readFileSync(file, "utf8");
  const wrong = "another passphrase than the right one";
  fs.writeFileSync(file, `${wrong}\n`);
  const refused = await program.up(onlyPull);
  fs.writeFileSync(file, right);
  assert.notEqual(refused.code, 0);
  assert.match(refused.out, /The passphrase is not the repository's\. Put the right one into/);

  const closed = "Match User borgpull\n    AllowStreamLocalForwarding no\n";
  await web1().run("cat > /etc/ssh/sshd_config.d/00-closed.conf; systemctl reload ssh", { stdin: closed });
  const unforwarded = await program.up(onlyPull);
  assert.notEqual(unforwarded.code, 0);
  assert.match(unforwarded.out, /refuses to forward the socket.*AllowStreamLocalForwarding/);

  const said = refused.out + unforwarded.out + (await program.exportState());
  assert.deepEqual(secretsIn(said), []);
  assert.ok(!said.includes(wrong));
  assert.deepEqual(await everywhere(), []);
});
