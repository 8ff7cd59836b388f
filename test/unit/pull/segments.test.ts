import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { auditSegments, lastCommitted, manifestId, segmentEntries } from "../../../pull/segments.ts";
import { type Entry, encoded, frame, idOf, writtenLog } from "./segment-log.ts";

const [a, b, c] = ["a", "b", "c"].map(idOf) as [string, string, string];
const put = (id: string, bytes = 0): Entry => ["put", id, Buffer.alloc(bytes, 7)];
const del = (id: string): Entry => ["delete", id];

test("a window tells what became of each object from before it, whatever the order", async (t) => {
  const cases: readonly {
    readonly does: string;
    readonly entries: readonly Entry[];
    readonly expected: readonly [deleted: number, overwritten: number];
  }[] = [
    { does: "a put of something new", entries: [put(a)], expected: [0, 0] },
    { does: "a delete", entries: [del(a)], expected: [1, 0] },
    { does: "an overwriting put", entries: [del(a), put(a)], expected: [0, 1] },
    { does: "a delete of the window's own", entries: [put(a), del(a)], expected: [0, 0] },
    { does: "its own, deleted, put, deleted", entries: [put(a), del(a), put(a), del(a)], expected: [0, 0] },
    { does: "a delete after an overwriting put", entries: [del(a), put(a), del(a)], expected: [1, 0] },
    { does: "two overwriting puts", entries: [del(a), put(a), del(a), put(a)], expected: [0, 1] },
    { does: "a delete that a failed put leaves, twice", entries: [del(a), del(a)], expected: [1, 0] },
    { does: "one of each", entries: [del(a), put(b), del(c), del(b), put(c)], expected: [1, 1] },
    { does: "the manifest's own way", entries: [del(manifestId), put(manifestId)], expected: [0, 0] },
  ];
  for (const { does, entries, expected } of cases) {
    await t.test(does, async () => {
      using log = writtenLog([["commit"], entries, ["commit"]]);
      const { deleted, overwritten, damage } = await auditSegments(log.repository, { after: 0, upTo: 2 });
      assert.deepEqual([deleted, overwritten, damage], [...expected, undefined]);
    });
  }
});

test("an audit counts, sizes and names what it saw", async () => {
  using log = writtenLog([[put(a), "commit"], [del(a), put(b, 100_000)], [del(c), put(c)], ["commit"]]);
  const shares: number[] = [];
  const onProgress = (share: number) => shares.push(share);
  const sizes = [1, 2, 3].map((segment) => fs.statSync(log.fileOf(segment)).size);
  assert.deepEqual(await auditSegments(log.repository, { after: 0, upTo: 3, onProgress }), {
    after: 0,
    upTo: 3,
    puts: 2,
    deletes: 2,
    bytes: sizes.reduce((sum, size) => sum + size),
    deleted: 1,
    overwritten: 1,
    examples: [
      { id: a, segment: 1, change: "deleted" },
      { id: c, segment: 2, change: "overwritten" },
    ],
    manifest: "untouched",
  });
  assert.equal(shares.at(-1), 1);
  const empty = await auditSegments(log.repository, { after: 3, upTo: 3 });
  assert.deepEqual([empty.puts, empty.bytes, empty.damage], [0, 0, undefined]);
});

test("at most twenty examples are named, however many there are", async () => {
  const ids = Array.from({ length: 50 }, (_, index) => idOf(`object ${index}`));
  using log = writtenLog([["commit"], ids.map(del), ["commit"]]);
  const audit = await auditSegments(log.repository, { after: 0, upTo: 2 });
  assert.equal(audit.deleted, 50);
  assert.deepEqual(
    audit.examples.map(({ id }) => id),
    ids.slice(0, 20),
  );
});

test("more deletions than can be judged are damage, and those that were judged are counted", async () => {
  const ids = Array.from({ length: 10 }, (_, index) => idOf(`object ${index}`));
  using log = writtenLog([["commit"], ids.map(del), ["commit"]]);
  const audit = (readings: number) =>
    auditSegments(log.repository, { after: 0, upTo: 2 }, { ids: 3, readings });
  const few = await audit(3);
  assert.equal(few.damage, "it deletes more than 9 objects, which no backup does");
  assert.equal(few.deleted, 9);
  const enough = await audit(4);
  assert.deepEqual([enough.damage, enough.deleted], [undefined, 10]);
});

test("the manifest is untouched, written or deleted by its last entry", async () => {
  const cases = [
    { entries: [put(a)], manifest: "untouched" },
    { entries: [del(manifestId), put(manifestId)], manifest: "written" },
    { entries: [del(manifestId), put(manifestId), del(manifestId)], manifest: "deleted" },
  ] as const;
  for (const { entries, manifest } of cases) {
    using log = writtenLog([["commit"], entries, ["commit"]]);
    assert.equal((await auditSegments(log.repository, { after: 0, upTo: 2 })).manifest, manifest);
  }
});

/** A repository in memory: what is there, and since when. */
interface Model {
  readonly objects: Map<string, number>;
  readonly segments: Entry[][];
}

/** What a peer can do to it, by the rules of borg's Repository.put and delete. */
const step = fc.record({
  does: fc.constantFrom("put", "put", "delete", "failed put", "new segment", "commit"),
  name: fc.integer({ min: 0, max: 12 }),
  bytes: fc.constantFrom(0, 30, 5000),
});

function apply(model: Model, { does, name, bytes }: typeof step extends fc.Arbitrary<infer T> ? T : never) {
  const id = name === 0 ? manifestId : idOf(String(name));
  const entries = model.segments.at(-1) as Entry[];
  const there = model.objects.has(id);
  if (does === "new segment") model.segments.push([]);
  if (does === "commit") model.segments.push(["commit"], []);
  if (does.endsWith("put") && there) entries.push(del(id));
  // Too large for an object: borg has written the DELETE when it notices, and goes on as if the old one were there.
  if (does === "put") {
    entries.push(put(id, bytes));
    model.objects.set(id, model.segments.length + entries.length / 1e6);
  }
  if (does === "delete" && there) {
    entries.push(del(id));
    model.objects.delete(id);
  }
}

const withoutManifest = (objects: ReadonlyMap<string, number>) =>
  [...objects].filter(([id]) => id !== manifestId);

test("the judgement is that of a repository in memory, for any history and any number of ids at a time", async () => {
  const history = fc.array(step, { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(history, history, fc.integer({ min: 1, max: 4 }), async (before, during, limit) => {
      const model: Model = { objects: new Map(), segments: [[]] };
      for (const one of before) apply(model, one);
      model.segments.push(["commit"], []);
      const after = model.segments.length - 2;
      const was = new Map(model.objects);
      const failed = new Set<string>();
      for (const one of during) {
        apply(model, one);
        const id = idOf(String(one.name));
        if (one.does === "failed put") failed.add(id);
        else if (one.does === "put") failed.delete(id);
      }
      model.segments.push(["commit"]);
      const upTo = model.segments.length - 1;
      // After a failed put borg's index still has the object, but its log does not, and the log is what lasts.
      const now = new Map([...model.objects].filter(([id]) => !failed.has(id)));
      const deleted = withoutManifest(was).filter(([id]) => !now.has(id));
      const replaced = withoutManifest(was).filter(([id, since]) => now.has(id) && now.get(id) !== since);

      using log = writtenLog(model.segments, 3);
      assert.equal(await lastCommitted(log.repository), upTo);
      const audit = await auditSegments(log.repository, { after, upTo });
      assert.equal(audit.damage, undefined);
      assert.equal(audit.deleted, deleted.length);
      assert.equal(audit.overwritten, replaced.length);
      const ids = (changed: readonly (readonly [string, number])[]) => changed.map(([id]) => id).toSorted();
      const named = (change: string) =>
        audit.examples
          .filter((example) => example.change === change)
          .map(({ id }) => id)
          .toSorted();
      assert.deepEqual([named("deleted"), named("overwritten")], [ids(deleted), ids(replaced)]);

      // The same, remembering next to nothing.
      const options = { after, upTo };
      assert.deepEqual(await auditSegments(log.repository, options, { ids: limit, readings: 99 }), audit);
    }),
    { numRuns: 300 },
  );
});

test("entries are the same whatever their sizes, small and close or large and far", () => {
  const sizes = fc.array(fc.constantFrom(0, 1, 500, 4000, 40_000, 70_000, 300_000), { maxLength: 30 });
  fc.assert(
    fc.property(sizes, (bytes) => {
      const entries = bytes.map((size, index) => put(idOf(String(index)), size));
      using log = writtenLog([[...entries, del(a), "commit"]]);
      let offset = 8;
      const expected = [...bytes.map((size) => size + 41), 41, 9].map((size, index) => {
        const at = offset;
        offset += size;
        if (index === bytes.length + 1) return { tag: "commit", id: "", size, offset: at };
        if (index === bytes.length) return { tag: "delete", id: a, size, offset: at };
        return { tag: "put", id: idOf(String(index)), size, offset: at };
      });
      assert.deepEqual([...segmentEntries(log.fileOf(0), { verifyData: true })], expected);
      assert.deepEqual([...segmentEntries(log.fileOf(0))], expected);
    }),
    { numRuns: 100 },
  );
});

test("a segment cut at any byte is not committed, and what was before it is", async () => {
  using log = writtenLog([[put(a), "commit"], ["commit"], [put(b, 20), del(a), put(c, 3), "commit"]]);
  const file = log.fileOf(2);
  const whole = fs.readFileSync(file);
  assert.equal(await lastCommitted(log.repository), 2);
  for (let bytes = whole.length - 1; bytes >= 0; bytes--) {
    fs.truncateSync(file, bytes);
    assert.equal(await lastCommitted(log.repository), 1, `${bytes} bytes`);
    const { damage, ...figures } = await auditSegments(log.repository, { after: 0, upTo: 2 });
    assert.ok(damage, `${bytes} bytes`);
    // What was read before the cut counts: the DELETE of a and the end of it are 8 + 61 + 41 bytes in.
    assert.equal(figures.deleted, bytes < 110 ? 0 : 1, `${bytes} bytes`);
  }
  fs.rmSync(file);
  assert.equal(await lastCommitted(log.repository), 1);
});

test("a cut tail of several segments is passed over, and there is no transaction without a commit", async () => {
  const fake = Buffer.concat([Buffer.alloc(50), encoded("commit")]);
  using log = writtenLog(
    [["commit"], [put(a)], [["put", b, fake]], ["commit", put(c)], ["commit", put(c), "commit"], []],
    2,
  );
  assert.equal(await lastCommitted(log.repository), 0);
  log.write(["commit", "commit"]);
  assert.equal(await lastCommitted(log.repository), 6);
  using nothing = writtenLog([[put(a)]]);
  assert.equal(await lastCommitted(nothing.repository), undefined);
});

test("a segment that is gone once it has been listed was not committed", async () => {
  using log = writtenLog([["commit"], [put(a), "commit"]]);
  fs.symlinkSync("gone", log.fileOf(2)); // listed, and not to be opened
  assert.equal(await lastCommitted(log.repository), 1);
});

test("a segment whose data is not what was written is not committed, as for borg", async () => {
  using log = writtenLog([["commit"], [put(a, 200_000), "commit"]]);
  const bytes = fs.readFileSync(log.fileOf(1));
  bytes[150_000] = 0;
  fs.writeFileSync(log.fileOf(1), bytes);
  assert.equal(await lastCommitted(log.repository), 0);
});

test("what borg does not write is damage, in words that name the segment", async (t) => {
  const wrong = (entry: Entry, at: number) => {
    const bytes = encoded(entry);
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes;
  };
  const magic = Buffer.from("BORG_SEG");
  const bad: readonly (readonly [string, Buffer])[] = [
    ["another beginning than borg's", Buffer.from("ATTICSEG")],
    ["another beginning than borg's", Buffer.from("BORG_SE")],
    ["an unknown tag", Buffer.concat([magic, frame(3, Buffer.alloc(40))])],
    ["an impossible size", Buffer.concat([magic, frame(0, Buffer.alloc(31))])],
    ["an impossible size", Buffer.concat([magic, frame(0, Buffer.alloc(32), 20 * 1024 * 1024 + 1)])],
    ["an impossible size", Buffer.concat([magic, frame(1, Buffer.alloc(33))])],
    ["an impossible size", Buffer.concat([magic, frame(2, Buffer.alloc(1))])],
    ["an impossible size", Buffer.concat([magic, frame(2, Buffer.alloc(0), 0)])],
    ["a wrong checksum", Buffer.concat([magic, wrong(del(a), 20)])],
    ["a wrong checksum", Buffer.concat([magic, wrong("commit", 0)])],
    ["a cut entry", Buffer.concat([magic, encoded(put(a, 9)).subarray(0, -1)])],
    ["a cut entry", Buffer.concat([magic, encoded(del(a)), Buffer.alloc(8)])],
  ];
  for (const [what, bytes] of bad) {
    await t.test(`${what}, ${bytes.length} bytes`, async () => {
      using log = writtenLog([["commit"], [], ["commit"]]);
      fs.writeFileSync(log.fileOf(1), bytes);
      const { damage } = await auditSegments(log.repository, { after: 0, upTo: 2 });
      assert.match(damage ?? "", new RegExp(`^segment 1 has ${what} at byte \\d+$`));
    });
  }
});

test("a log of which a part is missing is damage", async () => {
  using log = writtenLog([["commit"], ["commit"], [del(a)], ["commit"], [put(b)]]);
  const damage = async (after: number, upTo: number) =>
    (await auditSegments(log.repository, { after, upTo })).damage;
  assert.equal(await damage(-1, 3), undefined);
  assert.equal(await damage(3, 1), "it ends with segment 1, and once it went on to 3");
  assert.equal(await damage(3, 4), "its segment 4 does not end a transaction");
  assert.equal(await damage(3, 5), "its segment 5 is gone");
  fs.truncateSync(log.fileOf(1)); // borg takes an empty segment for none
  assert.equal(await damage(0, 3), "its segment 1 is gone");
  assert.equal(await damage(1, 3), "its segment 1 is gone");
  fs.rmSync(log.fileOf(1));
  assert.equal(await damage(1, 3), "its segment 1 is gone");
  assert.equal(await damage(2, 3), undefined);
});

test("an audit that is called off ends", async () => {
  using log = writtenLog([
    ["commit"],
    Array.from({ length: 200_000 }, (_, n) => del(idOf(`${n}`))),
    ["commit"],
  ]);
  const controller = new AbortController();
  const audit = auditSegments(log.repository, {
    after: 0,
    upTo: 2,
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("enough")),
  });
  await assert.rejects(audit, /enough/);
});
