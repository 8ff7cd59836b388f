/**
 * Another user of the machine at home: what lies too open there is refused, before anything is connected to, with the command that
 * closes it; and that command is enough. A network and a host are not needed for it: where the pull would go, this test listens.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { initRepository } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { readPassphrase } from "../../pull/passphrase.ts";
import { connect } from "../../remote/connect.ts";
import { command } from "../../sandbox/command.ts";
import { describe, ReachError } from "../../schema/errors.ts";
import { configPaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { jobData } from "../job-file.ts";

const somebody = 65534; // nobody: any user but this one
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "home-files-"));
const config = path.join(folder, "config");
const state = path.join(folder, "state");
const files = configPaths(config);
const [job, passphrase, key] = [files.jobFile("web1"), files.passphrase("web1"), files.pullKey("web1")];

let connections = 0;
const server = net.createServer((socket) => {
  connections++;
  socket.destroy();
});

before(async () => {
  process.env.BORGPULL_STATE = state;
  await once(server.listen(0, "127.0.0.1"), "listening");
});
after(() => {
  server.close();
  fs.rmSync(folder, { recursive: true });
});

beforeEach(async () => {
  connections = 0;
  for (const file of [job, passphrase, key])
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  await command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
  fs.writeFileSync(passphrase, "secret\n", { mode: 0o600 });
  const { port } = server.address() as net.AddressInfo;
  const admin = { host: "127.0.0.1", port, user: "root", hostKeys: ["ssh-ed25519 AAAA"], auth: key };
  const limits = { totalSeconds: 20, stallSeconds: 20, lockWaitSeconds: 1 };
  const repository = path.join(folder, "repository");
  const content = jobData({ repository, passphraseFile: passphrase, limits }, { admin, key });
  fs.writeFileSync(job, JSON.stringify(content), { mode: 0o600 });
});
afterEach(() => {
  for (const name of fs.readdirSync(folder)) fs.rmSync(path.join(folder, name), { recursive: true });
});

/** What a pull does of all that before it sends anything; the sentence of its refusal, or "set out". */
async function setOut(): Promise<string> {
  try {
    const { pull, passphraseFile } = readJobFile(job);
    readPassphrase(passphraseFile);
    await connect(pull);
  } catch (error) {
    if (!(error instanceof ReachError)) return describe(error);
  }
  return connections > 0 ? "set out" : "did not set out";
}

test("when all is as it ought to be the pull sets out, in a folder below /tmp too", async () => {
  assert.equal(await setOut(), "set out");
});

for (const [what, file, mode, remedy] of [
  ["passphrase", passphrase, 0o644, "chmod 600"],
  ["pull key", key, 0o644, "chmod 600"],
  ["job file", job, 0o666, "chmod go-w"],
] as const)
  test(`the command that the timer runs refuses a ${what} that is too open`, async () => {
    await initRepository({
      repository: readJobFile(job).repository,
      encryption: "repokey",
      passphraseFile: passphrase,
    });
    fs.chmodSync(file, mode);
    const { code, stdout, stderr } = await borgpull(["run", "web1"], {
      env: { BORGPULL_CONFIG: config, BORGPULL_STATE: state },
    });
    assert.ok(code !== 0 && code !== 70, `${code} ${stderr}`);
    assert.ok((stdout + stderr).includes(`Run: ${remedy} ${file}`), stdout + stderr);
    assert.equal(connections, 0);
  });

/** Moves a file into a folder, and leaves a link to it in its place. */
function linkInto(at: string, file: string, mode: number): void {
  fs.mkdirSync(at);
  fs.chmodSync(at, mode);
  fs.renameSync(file, path.join(at, "file"));
  fs.symlinkSync(path.join(at, "file"), file);
}

const elsewhere = path.join(config, "elsewhere");
const harms: readonly (readonly [what: string, harm: () => void, remedy: string])[] = [
  ["a passphrase that all may read", () => fs.chmodSync(passphrase, 0o644), `chmod 600 ${passphrase}`],
  ["a passphrase that a group may read", () => fs.chmodSync(passphrase, 0o640), `chmod 600 ${passphrase}`],
  ["a passphrase that a group may write", () => fs.chmodSync(passphrase, 0o620), `chmod 600 ${passphrase}`],
  ["a pull key that all may read", () => fs.chmodSync(key, 0o644), `chmod 600 ${key}`],
  ["a pull key that a group may read", () => fs.chmodSync(key, 0o640), `chmod 600 ${key}`],
  ["a job file that all may write", () => fs.chmodSync(job, 0o646), `chmod go-w ${job}`],
  ["a job file that a group may write", () => fs.chmodSync(job, 0o660), `chmod go-w ${job}`],
  ["somebody else's job file", () => fs.chownSync(job, somebody, 0), `chown 0 ${job}`],
  ["somebody else's passphrase", () => fs.chownSync(passphrase, somebody, 0), `chown 0 ${passphrase}`],
  [
    "a folder of job files that all may write",
    () => fs.chmodSync(path.dirname(job), 0o777),
    `chmod go-w ${path.dirname(job)}`,
  ],
  [
    "a folder of passphrases that is somebody else's",
    () => fs.chownSync(path.dirname(passphrase), somebody, 0),
    `chown 0 ${path.dirname(passphrase)}`,
  ],
  ["a config folder that a group may write", () => fs.chmodSync(config, 0o770), `chmod go-w ${config}`],
  [
    "a link to a job file where all may write",
    () => linkInto(elsewhere, job, 0o777),
    `chmod go-w ${elsewhere}`,
  ],
];

for (const [what, harm, remedy] of harms)
  test(`${what} is refused with "${remedy.replaceAll(`${folder}/`, "")}", which is enough`, async () => {
    harm();
    const refusal = await setOut();
    assert.ok(refusal.endsWith(`Run: ${remedy}`), refusal);
    assert.doesNotMatch(refusal, /secret/);
    assert.equal(connections, 0, "nothing was connected to");
    await command(["sh", "-c", remedy]);
    assert.equal(await setOut(), "set out");
  });
