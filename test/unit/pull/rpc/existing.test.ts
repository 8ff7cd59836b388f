import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openExisting } from "../../../../pull/rpc/existing.ts";
import { lastCommitted, segmentEntries } from "../../../../pull/segments.ts";
import { UserError } from "../../../../schema/errors.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "existing-"));
test.after(() => fs.rmSync(folder, { recursive: true }));

/** An index as borg writes it, with so many buckets; undefined is a bucket whose object was deleted. */
function writeIndex(name: string, buckets: number, ids: readonly Buffer[], deletedEvery = 0): string {
  const repository = path.join(folder, name);
  fs.mkdirSync(repository, { recursive: true });
  const index = Buffer.alloc(18 + buckets * 40);
  index.write("BORG_IDX");
  index.writeInt32LE(ids.length, 8);
  index.writeInt32LE(buckets, 12);
  index.writeInt8(32, 16);
  index.writeInt8(8, 17);
  const at = (bucket: number) => 18 + bucket * 40;
  for (let bucket = 0; bucket < buckets; bucket++) index.writeUInt32LE(0xffff_ffff, at(bucket) + 32);
  for (const [number, id] of ids.entries()) {
    let bucket = id.readUInt32LE(0) % buckets;
    while (index.readUInt32LE(at(bucket) + 32) !== 0xffff_ffff) bucket = (bucket + 1) % buckets;
    id.copy(index, at(bucket));
    const gone = deletedEvery > 0 && number % deletedEvery === 0;
    index.writeUInt32LE(gone ? 0xffff_fffe : 1, at(bucket) + 32);
  }
  fs.writeFileSync(path.join(repository, "index.5"), index);
  return repository;
}

const anyId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
/** Ids that fall into few buckets: long runs, over the end of the file too. */
const crowdedId = fc.tuple(fc.integer({ min: 195, max: 205 }), anyId).map(([bucket, id]) => {
  id.writeUInt32LE(bucket);
  return id;
});

test("ids are found wherever probing put them, over deleted ones and over the end of the table", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.oneof(anyId, crowdedId), { maxLength: 180, selector: (id) => id.toString("hex") }),
      fc.nat({ max: 4 }),
      async (ids, deletedEvery) => {
        const half = ids.length >> 1;
        await using existing = await openExisting(
          writeIndex("crowded", 206, ids.slice(half), deletedEvery),
          5,
        );
        for (const [at, id] of ids.entries()) {
          const there = at >= half && !(deletedEvery > 0 && (at - half) % deletedEvery === 0);
          assert.equal(await existing.has(id), there);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("a table without an empty bucket ends the search", async () => {
  const ids = Array.from({ length: 100 }, (_, number) => Buffer.alloc(32, number + 1));
  await using existing = await openExisting(writeIndex("full", 100, ids), 5);
  assert.equal(await existing.has(Buffer.alloc(32, 200)), false);
  assert.equal(await existing.has(Buffer.alloc(32, 100)), true);
});

const environment = {
  PATH: process.env.PATH ?? "/usr/bin:/bin",
  LANG: "C.UTF-8",
  BORG_BASE_DIR: path.join(folder, "base"),
  BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
};
const borg = (...args: readonly string[]) =>
  execFileSync("borg", args, { env: environment, encoding: "utf8", cwd: folder });

/** What a repository of few segments holds, by its log. */
function objectsOf(repository: string): readonly Buffer[] {
  const ids = new Set<string>();
  const segments = fs.readdirSync(path.join(repository, "data/0")).toSorted((a, b) => Number(a) - Number(b));
  for (const segment of segments) {
    for (const { tag, id } of segmentEntries(path.join(repository, "data/0", segment))) {
      if (tag === "put") ids.add(id);
      else ids.delete(id);
    }
  }
  return [...ids].map((id) => Buffer.from(id, "hex"));
}

test("in a repository of borg's every object is found, no other, and the answer stays when borg goes on", async () => {
  const repository = path.join(folder, "real");
  borg("init", "-e", "none", repository);
  const files = path.join(folder, "files");
  fs.mkdirSync(files);
  for (let number = 0; number < 1500; number++)
    fs.writeFileSync(path.join(files, String(number)), `file ${number}`);
  borg("create", `${repository}::one`, "files");
  for (let number = 0; number < 100; number++) fs.rmSync(path.join(files, String(number)));
  borg("create", `${repository}::two`, "files");
  borg("delete", `${repository}::one`);
  const transaction = await lastCommitted(repository);
  const index = path.join(repository, `index.${transaction}`);
  const ids = objectsOf(repository);
  assert.ok(ids.length > 1400);
  await using existing = await openExisting(repository, transaction);
  fs.writeFileSync(path.join(files, "later"), "later");
  borg("create", `${repository}::three`, "files");
  assert.equal(fs.existsSync(index), false, "borg has replaced the index");
  for (const id of ids) assert.equal(await existing.has(id), true);
  await using now = await openExisting(repository, await lastCommitted(repository));
  assert.deepEqual([await existing.has(Buffer.alloc(32)), await now.has(Buffer.alloc(32))], [true, true]);
  await fc.assert(fc.asyncProperty(anyId, async (id) => assert.equal(await existing.has(id), false)));
});

test("an empty repository has no objects", async () => {
  await using existing = await openExisting(folder, undefined);
  assert.equal(await existing.has(Buffer.alloc(32)), false);
});

for (const [what, change] of Object.entries<(index: Buffer) => Buffer | undefined>({
  "that is missing": () => undefined,
  "of another magic": (index) => Buffer.from(index).fill("BORG2IDX", 0, 8),
  "of other values": (index) => Buffer.from(index).fill(16, 17, 18),
  "that was cut": (index) => index.subarray(0, -1),
  "that is empty": () => Buffer.alloc(0),
})) {
  test(`an index ${what} is named with its remedy`, async () => {
    const repository = writeIndex(`bad ${what}`, 10, []);
    const file = path.join(repository, "index.5");
    const changed = change(fs.readFileSync(file));
    if (changed) fs.writeFileSync(file, changed);
    else fs.rmSync(file);
    await assert.rejects(
      () => openExisting(repository, 5),
      (error) => error instanceof UserError && error.remedy === `Run: borg check ${repository}`,
    );
  });
}
