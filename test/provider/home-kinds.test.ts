import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { type Ledger, openLedger } from "../../pull/ledger.ts";
import { command } from "../../sandbox/command.ts";
import { jobData } from "../job-file.ts";
import { type Driver, InitFailed, startProvider } from "./driver.ts";
import { drift, home, owner } from "./fixture.ts";

let folder: string;
let provider: Driver;
before(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "borgpull-home-"));
  provider = await startProvider({ BORGPULL_CONFIG: `${folder}/config`, BORGPULL_STATE: `${folder}/state` });
});
after(async () => {
  await provider[Symbol.asyncDispose]();
  await fs.rm(folder, { recursive: true, force: true });
});

const identity = (file = "web1") => ({
  home,
  owner,
  path: `${folder}/config/keys/${file}`,
  comment: `borgpull ${owner} ${file}`,
});
const repository = (job: string, extra: Record<string, unknown> = {}) => ({
  home,
  owner,
  job,
  path: `${folder}/backup/${job}`,
  encryption: "repokey-blake2",
  passphraseFile: `${folder}/config/passphrases/${job}`,
  keyCopy: `${folder}/config/repositories/${job}`,
  ...extra,
});
const modeOf = async (file: string) => ((await fs.stat(file)).mode & 0o777).toString(8);

test("home is remembered, and moves only when told", async () => {
  const type = "borgpull:index:Home";
  const { id, outputs } = await provider.create(type, { owner });
  assert.equal(outputs.home, home);
  assert.deepEqual((await drift(provider, type, id, { ...outputs, home: "other/0" }, { owner })).paths, {});
  await using mover = await startProvider({ BORGPULL_HOME: "here" });
  assert.deepEqual((await drift(mover, type, id, { ...outputs, home: "other/0" }, { owner })).paths, {
    home: "UPDATE",
  });
});

test("a home of before learns where its records are, and follows a machine that gets a systemd", async () => {
  const type = "borgpull:index:Home";
  const { id, outputs } = await provider.create(type, { owner });
  const { state, ...before } = outputs;
  const manager = outputs.manager === "none" ? "system" : "none";
  const { live, paths } = await drift(provider, type, id, { ...before, manager }, { owner });
  assert.deepEqual(paths, { state: "UPDATE", manager: "UPDATE" });
  assert.deepEqual((await provider.update(type, id, live, { owner })).outputs, outputs);
  // not at home nothing is known better
  const away = { ...before, manager, home: "other/0" };
  assert.deepEqual((await drift(provider, type, id, away, { owner })).paths, {});
});

test("the pull key is made 0600, is kept when the state is lost, and is moved aside, not removed", async () => {
  const type = "borgpull:index:SshIdentity";
  const { id, outputs } = await provider.create(type, identity());
  assert.equal(await modeOf(id), "600");
  assert.match(String(outputs.publicKey), /^ssh-ed25519 AAAA\S+$/);
  assert.equal(JSON.stringify(outputs).includes("PRIVATE"), false);
  assert.equal((await provider.create(type, identity())).outputs.publicKey, outputs.publicKey);
  await fs.chmod(id, 0o644);
  const seen = await drift(provider, type, id, outputs, identity());
  assert.deepEqual(seen.paths, { mode: "UPDATE" });
  const repaired = await provider.update(type, id, seen.live, identity());
  assert.deepEqual((await drift(provider, type, id, repaired.outputs, identity())).paths, {});
  await provider.remove(type, id, outputs, identity());
  const names = await fs.readdir(path.dirname(id));
  assert.equal(names.filter((name) => /^web1\.removed-[^.]+$/.test(name)).length, 1);
  assert.equal(names.includes("web1"), false);
});

test("a key of somebody else is not taken", async () => {
  await fs.rm(`${folder}/config/keys`, { recursive: true, force: true });
  await provider.create("borgpull:index:SshIdentity", {
    ...identity(),
    owner: "a/b",
    comment: "borgpull a/b x",
  });
  await assert.rejects(
    provider.create("borgpull:index:SshIdentity", identity()),
    /belongs to the borgpull stack a\/b/,
  );
});

test("a private key that cannot be read is named, with why, and left as it is", async () => {
  const file = `${folder}/config/keys/broken`;
  const refusal = (why: RegExp) =>
    assert.rejects(
      provider.create("borgpull:index:SshIdentity", identity("broken")),
      new RegExp(`${file}: this private key cannot be read: ${why.source}.*Put its file back`, "s"),
    );
  await fs.mkdir(file);
  await refusal(/it is a folder/);
  await fs.rmdir(file);
  await fs.writeFile(
    file,
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEUKHkyWCzLq5ASVz9SVtvAPNX8sAJTGQIVGQaYLa0vL\n",
    { mode: 0o600 },
  );
  await refusal(/it holds a public key/);
  await fs.writeFile(file, "no key\n");
  await refusal(/Unsupported key format/);
  assert.equal(await fs.readFile(file, "utf8"), "no key\n");
});

test("a repository is made with a passphrase of its own and a copy of its key, and found again when the state is lost", async () => {
  const type = "borgpull:index:Repository";
  const inputs = repository("web1");
  const { id, outputs } = await provider.create(type, inputs);
  assert.match(String(outputs.repositoryId), /^[0-9a-f]{64}$/);
  assert.equal(await modeOf(inputs.passphraseFile), "600");
  assert.equal(
    await fs.readFile(`${inputs.keyCopy}/config`, "utf8"),
    await fs.readFile(`${inputs.path}/config`, "utf8"),
  );
  const passphrase = (await fs.readFile(inputs.passphraseFile, "utf8")).trim();
  assert.ok(passphrase.length >= 40);
  assert.equal(JSON.stringify(outputs).includes(passphrase), false);
  assert.deepEqual((await drift(provider, type, id, outputs, inputs)).paths, {});
  assert.equal((await provider.create(type, inputs)).outputs.repositoryId, outputs.repositoryId);
  await fs.chmod(inputs.passphraseFile, 0o644);
  const seen = await drift(provider, type, id, outputs, inputs);
  assert.deepEqual(seen.paths, { passphraseMode: "UPDATE" });
  await provider.update(type, id, seen.live, inputs);
  await provider.remove(type, id, outputs, inputs);
  assert.ok((await fs.stat(`${inputs.path}/data`)).isDirectory());
});

test("a repository that is not there any more is not replaced by an empty one", async () => {
  const type = "borgpull:index:Repository";
  const inputs = repository("gone");
  const { id, outputs } = await provider.create(type, inputs);
  await fs.rename(inputs.path, `${inputs.path}.unmounted`);
  await assert.rejects(provider.read(type, id, outputs, inputs), /no repository at .*gone any more/);
  await assert.rejects(
    provider.update(type, id, outputs, inputs),
    /no empty one is made in its place\. Mount its disk\. If it is truly lost, rename .*gone to gone\.lost /,
  );
  await assert.rejects(provider.create(type, inputs), /no empty one is made in its place/);
  await assert.rejects(fs.stat(inputs.path), { code: "ENOENT" });
  await fs.rename(`${inputs.path}.unmounted`, inputs.path);
  assert.deepEqual((await drift(provider, type, id, outputs, inputs)).paths, {});
});

test("a repository that a person has given up gets a new one in its place, and its own key stays beside", async () => {
  const type = "borgpull:index:Repository";
  const inputs = repository("lost");
  const { id, outputs } = await provider.create(type, inputs);
  await fs.rm(inputs.path, { recursive: true });
  await fs.rename(inputs.keyCopy, `${inputs.keyCopy}.aside`);
  await assert.rejects(provider.update(type, id, outputs, inputs), /no empty one is made in its place/);
  await fs.rename(`${inputs.keyCopy}.aside`, `${inputs.keyCopy}.lost`);
  const { outputs: anew } = await provider.update(type, id, outputs, inputs);
  assert.notEqual(anew.repositoryId, outputs.repositoryId);
  assert.match(await fs.readFile(`${inputs.keyCopy}.lost/config`, "utf8"), /^key = /m);
  assert.deepEqual((await drift(provider, type, id, anew, inputs)).paths, {});
});

test("a foreign repository is refused, and taken with import", async () => {
  const type = "borgpull:index:Repository";
  await provider.create(type, repository("foreign"));
  await fs.rm(repository("foreign").keyCopy, { recursive: true });
  await assert.rejects(provider.create(type, repository("foreign")), /not made by this stack.*import: true/s);
  await provider.create(type, repository("foreign", { import: true }));
  await fs.mkdir(`${folder}/backup/full`, { recursive: true });
  await fs.writeFile(`${folder}/backup/full/photo`, "x");
  await assert.rejects(provider.create(type, repository("full")), /not empty and holds no borg repository/);
});

test("elsewhere than at home a local thing reads as last known, and every change is refused", async () => {
  const away = (inputs: Record<string, unknown>) => ({ ...inputs, home: "another-machine/0" });
  const known = { ...away(identity("away")), publicKey: "ssh-ed25519 AAAA", fingerprint: "x", mode: "0600" };
  const type = "borgpull:index:SshIdentity";
  const inputs = away(identity("away"));
  assert.deepEqual((await drift(provider, type, "x", known, inputs)).paths, {});
  await assert.rejects(provider.create(type, inputs), /not the machine \(or user\) at home/);
  await assert.rejects(provider.update(type, "x", known, inputs), /not the machine \(or user\) at home/);
  await assert.rejects(provider.remove(type, "x", known, inputs), /not the machine \(or user\) at home/);
  await assert.rejects(
    provider.create("borgpull:index:Repository", away(repository("away"))),
    /not the machine/,
  );
  const file = {
    path: `${folder}/away.json`,
    content: "x\n",
    mode: "0600",
    user: "root",
    group: "root",
    owner,
  };
  await assert.rejects(provider.create("borgpull:index:HostFile", away(file)), /not the machine/);
  await assert.rejects(fs.stat(`${folder}/away.json`), { code: "ENOENT" });
});

test("a key that was changed in the repository is shown and never copied over the copy that was made at init", async () => {
  const type = "borgpull:index:Repository";
  const inputs = repository("changed");
  const { id, outputs } = await provider.create(type, inputs);
  const config = await fs.readFile(`${inputs.path}/config`, "utf8");
  await fs.writeFile(`${inputs.path}/config`, config.replace(/^key = .*\n(\s+.*\n)*/m, ""));
  const seen = await drift(provider, type, id, outputs, inputs);
  assert.deepEqual(seen.paths, { keyCopyState: "UPDATE" });
  await assert.rejects(
    provider.update(type, id, seen.live, inputs),
    /is not what it was when its copy was made/,
  );
  assert.equal(await fs.readFile(`${inputs.keyCopy}/config`, "utf8"), config);
  await fs.rm(`${inputs.keyCopy}/config`);
  await fs.writeFile(`${inputs.path}/config`, config);
  const absent = await drift(provider, type, id, outputs, inputs);
  assert.deepEqual(absent.paths, { keyCopyState: "UPDATE" });
  await provider.update(type, id, absent.live, inputs);
  assert.equal(await fs.readFile(`${inputs.keyCopy}/config`, "utf8"), config);
});

test("on a new home an empty repository is not made in the place of the one that the state knows", async () => {
  const type = "borgpull:index:Repository";
  const inputs = repository("moved");
  const known = { ...inputs, repositoryId: "ab".repeat(32), passphraseMode: "0600", keyCopyState: "same" };
  await fs.mkdir(path.dirname(inputs.passphraseFile), { recursive: true });
  await fs.writeFile(inputs.passphraseFile, "x\n", { mode: 0o600 });
  await assert.rejects(provider.update(type, "moved", known, inputs), /no empty one is made in its place/);
  await assert.rejects(fs.stat(inputs.path), { code: "ENOENT" });
});

test("when home moves, what was at the former home is named and let go", async () => {
  await using mover = await startProvider({ BORGPULL_HOME: "here" });
  const old = { ...identity("former"), home: "another-machine/0" };
  await mover.remove("borgpull:index:SshIdentity", "x", old, old);
});

/** A job with a good backup on record, in a repository that a gate has just looked at. */
async function pulled(job: string) {
  const at = repository(job);
  const { outputs } = await provider.create("borgpull:index:Repository", at);
  const id = String(outputs.repositoryId);
  const file = jobData({
    owner,
    job,
    repository: at.path,
    passphraseFile: at.passphraseFile,
    staleAfterSeconds: 3600,
  });
  const jobFile = `${folder}/config/jobs/${job}.json`;
  await fs.mkdir(path.dirname(jobFile), { recursive: true });
  await fs.writeFile(jobFile, JSON.stringify(file), { mode: 0o600 });
  const index = (await fs.readdir(at.path)).find((name) => name.startsWith("index."));
  const mark = {
    segment: Number(index?.slice("index.".length)),
    config: "ab".repeat(32),
    why: "run",
  } as const;
  const run = `run-of-${job}`;
  const archive = { id: "cd".repeat(32), name: `${job}-${run}` };
  const records = openLedger(`${folder}/state/state.db`);
  records.begin(run, job);
  records.addArchive(id, { ...archive, run, trust: "good" });
  records.finish(run, { outcome: "good", archive, warnings: [] });
  records.setMark(id, mark);
  const inputs = { home, owner, job, jobFile, pull: "stale", staleAfterSeconds: 3600 };
  return { id, at, records, inputs, archive };
}

const breachIn = (records: Ledger, job: string, repository: string) =>
  records.addBreach({
    job,
    repository,
    after: 1,
    upTo: 2,
    runs: [`run-of-${job}`],
    findings: [{ kind: "archive-vanished", name: "web1-\u001b[2Jold", id: "ef".repeat(32) }],
  });

test("a breach is a difference of the pull, and fails it until a person has decided, also when no pull is due", async () => {
  const type = "borgpull:index:Pull";
  const { id, records, inputs, archive } = await pulled("breached");
  using ledger = records;
  const created = await provider.create(type, inputs);
  assert.deepEqual(
    [(created.outputs.lastGood as { archive: string }).archive, created.outputs.trust],
    [archive.name, "good"],
  );
  const { inputs: checked } = await provider.check(type, inputs);
  breachIn(ledger, "breached", id);
  const { live, paths } = await drift(provider, type, "breached", created.outputs, checked);
  assert.deepEqual([paths, live.trust], [{ trust: "UPDATE" }, "tampered: archive web1- [2Jold has vanished"]);
  await assert.rejects(provider.update(type, "breached", live, checked), (error) => {
    assert.ok(error instanceof InitFailed);
    assert.match(
      error.reasons.join(),
      /^The repository of breached was tampered with .* during run run-of-breached\).*Pulls go on.*borgpull rollback breached/,
    );
    assert.equal(error.outputs.trust, live.trust);
    return true;
  });
  await assert.rejects(provider.create(type, inputs), /was tampered with/);
  ledger.resolveBreaches("breached", "rollback");
  assert.deepEqual((await drift(provider, type, "breached", live, checked)).paths, {});
});

test("a repository that was changed since home looked at it makes a pull due, unless home itself is at work", async () => {
  const type = "borgpull:index:Pull";
  const { at, records, inputs } = await pulled("changed-since");
  using ledger = records;
  const { outputs } = await provider.create(type, inputs);
  // borg would wait for this lock: nobody asks it.
  await fs.mkdir(`${at.path}/lock.exclusive`);
  await fs.writeFile(`${at.path}/lock.exclusive/another.host@1.1-0`, "");
  assert.deepEqual((await drift(provider, type, "x", outputs, inputs)).paths, {});
  await fs.rm(`${at.path}/lock.exclusive`, { recursive: true });

  await command(["borg", "compact", at.path], { env: { BORG_BASE_DIR: folder } });
  const { live, paths } = await drift(provider, type, "x", outputs, inputs);
  assert.deepEqual(
    [paths, live.pull],
    [{ pull: "UPDATE" }, "due: the repository is not as the last good backup left it"],
  );
  const operation = ledger.beginOperation("changed-since", { kind: "compact" });
  assert.deepEqual((await drift(provider, type, "x", outputs, inputs)).paths, {});
  ledger.endOperation(operation, "done");
  await fs.rename(at.path, `${at.path}.unmounted`);
  assert.deepEqual((await drift(provider, type, "x", outputs, inputs)).paths, { pull: "UPDATE" });
});
