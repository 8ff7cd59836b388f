/** Real borg clients, honest and hostile, through the filter of requests. Hosts are not needed: a unix socket is in sshd's place. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { Duplex } from "node:stream";
import { after, before, test } from "node:test";
import { openExisting } from "../../pull/rpc/existing.ts";
import { lastCommitted, segmentEntries } from "../../pull/segments.ts";
import { type Data, encode } from "../unit/pull/rpc/encode.ts";
import {
  archivesOf,
  borgAtHome,
  borgOnVps,
  type Client,
  connectRaw,
  copyPlace,
  type Listening,
  listen,
  makePlace,
  negotiate,
  openArgs,
  type Place,
  type Ran,
  type RawClient,
  rawClient,
} from "./rpc-fixture.ts";

const manifest = Buffer.alloc(32);

/** Two archives of two clients; every test has a copy of its own. */
let original: Place;
before(async () => {
  original = await makePlace();
  writeFiles(original, "first", 20_000, 5);
  await backUp(original, "first", "1.2.4");
  writeFiles(original, "second", 20_000, 5);
  await backUp(original, "second", "1.4.0");
});
after(() => original?.[Symbol.dispose]());

function writeFiles(place: Place, name: string, bytes: number, count: number): void {
  for (let number = 0; number < count; number++) {
    fs.writeFileSync(path.join(place.files, `${name}-${number}`), crypto.randomBytes(bytes));
  }
}

const create = (name: string, ...options: readonly string[]) => ["create", ...options, `::${name}`, "files"];

/** A backup that must go as without the filter. */
async function backUp(
  place: Place,
  name: string,
  client: Client,
  ...options: readonly string[]
): Promise<void> {
  await using listening = await listen(place);
  const ran = await borgOnVps(place, create(name, ...options), { client });
  assertHonest(ran, await listening.served());
}

function assertHonest(ran: Ran, served: Awaited<ReturnType<Listening["served"]>>): void {
  const said = ran.stderr.replace("Note: --no-cache-sync is an experimental feature.\n", "");
  assert.deepEqual([ran.code, said], [0, ""]);
  const untouched = served.map(({ refusal, ignoredPuts, fullAtHome }) => ({
    refusal,
    ignoredPuts,
    fullAtHome,
  }));
  assert.deepEqual(untouched, [{ refusal: undefined, ignoredPuts: 0, fullAtHome: undefined }]);
}

/** Everything is readable, and these are the archives. */
async function assertWhole(place: Place, archives: readonly string[]): Promise<void> {
  const { code, stderr } = await borgAtHome(place, "check", "--verify-data");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(await archivesOf(place), archives);
}

/** The last transaction and the nonce, neither of which a refused session may change. */
async function stateOf({ repository }: Place) {
  const transaction = await lastCommitted(repository);
  const read = (name: string) => fs.readFileSync(path.join(repository, name));
  return { transaction, index: read(`index.${transaction}`), nonce: read("nonce"), config: read("config") };
}

/** Resolves when a running session has committed. */
async function committed({ repository }: Place): Promise<void> {
  const began = await lastCommitted(repository);
  for await (const _ of fs.promises.watch(repository, { signal: AbortSignal.timeout(30_000) })) {
    if ((await lastCommitted(repository)) !== began) return;
  }
}

/** borg writes one line for each, when it serves append-only. */
const transactionsOf = ({ repository }: Place): number =>
  fs.readFileSync(path.join(repository, "transactions"), "utf8").split("\n").length;

const slowly = ["--checkpoint-interval", "1", "--upload-ratelimit", "500"] as const;

for (const client of ["1.2.4", "1.4.0"] as const) {
  test(`borg ${client} backs up as without the filter: new files, nothing new, checkpoints, no cache, no cache sync`, async () => {
    using place = copyPlace(original);
    writeFiles(place, "more", 100_000, 2);
    await backUp(place, "new", client);
    await backUp(place, "unchanged", client);
    const before = transactionsOf(place);
    writeFiles(place, "slow", 200_000, 6);
    await backUp(place, "checkpoints", client, ...slowly);
    assert.ok(transactionsOf(place) > before + 1, "there were checkpoints");
    fs.rmSync(path.join(place.folder, "vps/borg/.cache"), { recursive: true });
    await backUp(place, "no-cache", client);
    fs.rmSync(path.join(place.folder, "vps/borg/.cache"), { recursive: true });
    writeFiles(place, "last", 100_000, 1);
    await backUp(place, "no-sync", client, "--no-cache-sync");
    await borgAtHome(place, "prune", "--keep-last", "1");
    await borgAtHome(place, "compact");
    writeFiles(place, "after", 100_000, 1);
    await backUp(place, "after-prune", client);
    await assertWhole(place, (await archivesOf(place)).slice(-2));
  });

  test(`borg ${client} that is killed or interrupted is resumed as without the filter`, async () => {
    using place = copyPlace(original);
    writeFiles(place, "slow", 200_000, 8);
    const cut = async (name: string, signal: NodeJS.Signals) => {
      await using listening = await listen(place);
      const atCheckpoint = committed(place);
      const onStart = (borg: ChildProcess) => void atCheckpoint.then(() => borg.kill(signal));
      const ran = await borgOnVps(place, create(name, ...slowly), { client, onStart });
      assert.notEqual(ran.code, 0);
      const [served] = await listening.served();
      assert.deepEqual([served?.refusal, served?.ignoredPuts], [undefined, 0]);
    };
    await cut("killed", "SIGKILL");
    await cut("interrupted", "SIGINT");
    await backUp(place, "resumed", client);
    assert.equal((await archivesOf(place)).length, 3);
    await assertWhole(place, await archivesOf(place));
  });
}

test("an object that no archive uses any more is kept as it is when an honest client sends it again", async () => {
  using there = copyPlace(original);
  const before = objectsOf(there);
  writeFiles(there, "file", 50_000, 1);
  using here = copyPlace(there);
  await backUp(there, "there", "1.2.4");
  const chunks = objectsOf(there, 50_000).filter((id) => !before.includes(id));
  assert.equal(chunks.length, 1);
  for (const id of chunks) {
    await borgAtHome(there, "debug", "get-obj", there.repository, id, "object");
    const object = path.join(there.folder, "object");
    assert.equal((await borgAtHome(here, "debug", "put-obj", here.repository, id, object)).code, 0);
  }
  await using listening = await listen(here);
  const ran = await borgOnVps(here, create("here"));
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const [served] = await listening.served();
  assert.deepEqual([served?.refusal, served?.ignoredPuts], [undefined, 1]);
  await assertWhole(here, await archivesOf(here));
  assert.equal((await archivesOf(here)).length, 3);
});

/** Every id but the manifest's that the log has put, with at least so many bytes. */
function objectsOf({ repository }: Place, bytes = 0): readonly string[] {
  const data = path.join(repository, "data/0");
  const entries = fs.readdirSync(data).flatMap((segment) => [...segmentEntries(path.join(data, segment))]);
  return entries
    .filter(({ tag, id, size }) => tag === "put" && size > bytes && !/^0+$/.test(id))
    .map(({ id }) => id);
}

test("a repository of borg 1.4.0 has an index that is read", async () => {
  using place = copyPlace(original);
  const repository = path.join(place.folder, "vps/repository");
  const env = { BORG_REPO: "/mnt/repository" };
  assert.equal((await borgOnVps(place, ["init", "-e", "repokey"], { client: "1.4.0", env })).code, 0);
  assert.equal((await borgOnVps(place, create("one"), { client: "1.4.0", env })).code, 0);
  await using existing = await openExisting(repository, await lastCommitted(repository));
  const ids = objectsOf({ ...place, repository });
  assert.ok(ids.length > 10);
  for (const id of ids) assert.equal(await existing.has(Buffer.from(id, "hex")), true);
  assert.equal(await existing.has(crypto.randomBytes(32)), false);
});

for (const [args, method] of [
  [["delete", "::first"], "delete"],
  [["prune", "--keep-last", "1"], "delete"],
  [["rename", "::first", "other"], "delete"],
  [["delete"], "destroy"],
  [["debug", "delete-obj", "", "ARCHIVE"], "delete"],
  [["key", "change-passphrase"], "open"],
  [["break-lock"], "open"],
  [["check", "--repair"], "check"],
  [["compact"], "commit"],
  [["init", "-e", "repokey"], "open"],
] as const) {
  test(`"borg ${args.join(" ")}" of a hostile VPS is refused and harms nothing`, async () => {
    using place = copyPlace(original);
    const archives = await archivesOf(place);
    const given = args.map((arg) => (arg === "ARCHIVE" ? (archives[0] as string) : arg));
    await using listening = await listen(place);
    await borgOnVps(place, given, { env: { BORG_NEW_PASSPHRASE: "another" } });
    const [served] = await listening.served();
    assert.equal(served?.refusal?.method, method);
    await assertWhole(place, archives);
  });
}

test("an object that is overwritten by a hostile VPS stays what it was", async () => {
  using place = copyPlace(original);
  const archives = await archivesOf(place);
  fs.writeFileSync(path.join(place.files, "garbage"), "garbage");
  await using listening = await listen(place);
  for (const id of archives) {
    const ran = await borgOnVps(place, ["debug", "put-obj", "", id, "files/garbage"]);
    assert.equal(ran.code, 2); // it has nothing to commit
  }
  const served = await listening.served();
  assert.deepEqual(
    served.map(({ ignoredPuts, refusal }) => [ignoredPuts, refusal?.method]),
    archives.map(() => [1, "commit"]),
  );
  await assertWhole(place, archives);
});

const destroying = { ...openArgs, create: true, append_only: false };

test("without the filter, append-only and all, a hostile VPS removes the whole repository", async () => {
  using place = copyPlace(original);
  const child = spawn("borg", ["serve", "--append-only", "--restrict-to-repository", "./repository"], {
    cwd: place.folder,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const client = rawClient(Duplex.from({ writable: child.stdin, readable: child.stdout }));
  client.send(negotiate);
  assert.equal(await client.call("open", { ...destroying, path: "/./repository" }), "AlreadyExists");
  assert.equal(await client.call("destroy"), "");
  client.end();
  assert.equal(fs.existsSync(place.repository), false);
});

interface Attack {
  readonly what: string;
  readonly method: string;
  /** After an honest open, unless it does without. */
  readonly do: (client: RawClient, old: Buffer) => void;
  readonly unopened?: true;
}

const put = (client: RawClient, id: Buffer, data: Data) => void client.call("put", { id, data, wait: true });
const commit = { save_space: false, compact: false, threshold: 0.1, cleanup_commits: false };

const attacks: readonly Attack[] = [
  {
    what: "opening it to be created, then destroying it",
    method: "open",
    unopened: true,
    do: (client) => {
      void client.call("open", destroying);
      void client.call("destroy");
    },
  },
  {
    what: "opening it again to be created",
    method: "open",
    do: (client) => void client.call("open", destroying),
  },
  { what: "destroying it", method: "destroy", do: (client) => void client.call("destroy") },
  {
    what: "deleting the list of archives",
    method: "delete",
    do: (client) => {
      void client.call("delete", { id: manifest });
    },
  },
  {
    what: "deleting an object after putting another",
    method: "delete",
    do: (client, old) => {
      put(client, crypto.randomBytes(32), "new");
      void client.call("delete", { id: old });
      void client.call("commit", commit);
    },
  },
  {
    what: "putting a list of archives that borg fails on",
    method: "put",
    do: (client) => put(client, manifest, null),
  },
  {
    what: "committing after a rollback",
    method: "commit",
    do: (client) => {
      put(client, manifest, "garbage");
      void client.call("rollback");
      void client.call("get", { id: manifest });
      void client.call("commit", commit);
    },
  },
  {
    what: "compacting",
    method: "commit",
    do: (client) => {
      put(client, crypto.randomBytes(32), "new");
      void client.call("commit", { ...commit, compact: true });
    },
  },
  {
    what: "changing the key",
    method: "save_key",
    do: (client) => void client.call("save_key", { keydata: "x" }),
  },
  { what: "breaking the lock", method: "break_lock", do: (client) => void client.call("break_lock") },
  { what: "repairing it", method: "check", do: (client) => void client.call("check", { repair: true }) },
  {
    what: "using up its nonces",
    method: "commit_nonce_reservation",
    do: (client) => {
      void client.call("commit_nonce_reservation", { next_unreserved: 1n << 62n, start_nonce: 0 });
    },
  },
  {
    what: "the form of requests of borg before 1.1",
    method: "?",
    do: (client) => client.send(encode([1, 9, "destroy", []])),
  },
  { what: "garbage", method: "?", do: (client) => client.send(crypto.randomBytes(100_000)) },
  {
    what: "a message of a gigabyte",
    method: "?",
    do: (client) => {
      const whole = encode({ i: 9, m: "put", a: { id: crypto.randomBytes(32), data: "" } });
      client.send(Buffer.concat([whole.subarray(0, -1), Buffer.of(0xdb, 0x40, 0, 0, 0)]));
    },
  },
];

test("what a hostile VPS sends itself is refused and harms nothing", async (t) => {
  using place = copyPlace(original);
  const archives = await archivesOf(place);
  const state = await stateOf(place);
  for (const { what, method, unopened, do: attack } of attacks) {
    await t.test(what, async () => {
      await using listening = await listen(place);
      const client = unopened ? rawClient(net.connect(listening.socketPath)) : await connectRaw(listening);
      if (unopened) client.send(negotiate);
      attack(client, Buffer.from(archives[0] as string, "hex"));
      client.end();
      const [served] = await listening.served();
      assert.equal(served?.refusal?.method, method);
      assert.deepEqual(await stateOf(place), state);
    });
  }
  await assertWhole(place, archives);
});

test("the same client may put and commit what is new", async () => {
  using place = copyPlace(original);
  const before = (await stateOf(place)).transaction as number;
  await using listening = await listen(place);
  const client = await connectRaw(listening);
  const id = crypto.randomBytes(32);
  assert.equal(await client.call("put", { id, data: "new" }), "");
  assert.equal(await client.call("delete", { id }), "");
  assert.equal(await client.call("put", { id, data: "newer" }), "");
  assert.equal(await client.call("commit", commit), "");
  client.end();
  const [served] = await listening.served();
  assert.equal(served?.refusal, undefined);
  assert.ok(((await lastCommitted(place.repository)) ?? 0) > before);
});

test("a client that goes on beyond the quota is cut off", async () => {
  using place = copyPlace(original);
  const quotaBytes = 10_000_000;
  await using listening = await listen(place, { quotaBytes });
  const client = await connectRaw(listening);
  const answers: string[] = [];
  while (answers.at(-1) !== "closed" && answers.length < 20) {
    answers.push(await client.call("put", { id: crypto.randomBytes(32), data: Buffer.alloc(9_000_000) }));
  }
  client.end();
  assert.deepEqual(answers.slice(0, 3), ["", "StorageQuotaExceeded", "StorageQuotaExceeded"]);
  const [served] = await listening.served();
  assert.deepEqual([served?.fullAtHome, served?.refusal], ["quota", undefined]);
  const written = answers.length * 9_000_000;
  assert.ok(written > quotaBytes && written < quotaBytes + 100_000_000, `${written} bytes`);
});

test("a backup beyond the quota is ended by borg, one within it is not", async () => {
  using place = copyPlace(original);
  writeFiles(place, "large", 8_000_000, 1);
  await using listening = await listen(place, { quotaBytes: 10_000_000 });
  assert.equal((await borgOnVps(place, create("within"))).code, 0);
  writeFiles(place, "larger", 8_000_000, 1);
  assert.equal((await borgOnVps(place, create("beyond"))).code, 2);
  const served = await listening.served();
  assert.deepEqual(
    served.map(({ fullAtHome, refusal }) => fullAtHome ?? refusal),
    [undefined, undefined],
  );
});

test("a backup ends before it fills home's disk", async () => {
  using place = copyPlace(original);
  const archives = await archivesOf(place);
  const { bavail, bsize } = fs.statfsSync(place.repository);
  writeFiles(place, "large", 100_000, 1);
  await using listening = await listen(place, { reserveBytes: bavail * bsize + (1 << 30) });
  assert.equal((await borgOnVps(place, create("full"))).code, 2);
  const [served] = await listening.served();
  assert.deepEqual([served?.fullAtHome, served?.refusal], ["space", undefined]);
  await assertWhole(place, archives);
});
