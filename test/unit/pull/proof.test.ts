import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Item } from "../../../pull/borg/contents.ts";
import { type Compared, judgeProof, type Seen } from "../../../pull/proof/judge.ts";
import { parseAnswers } from "../../../pull/proof/live.ts";
import { reservoir } from "../../../pull/proof/sample.ts";

const run = "20261122t031500z-9f3c1a07be42";
const seen = (change: Partial<Seen> = {}): Seen => ({
  mtime: "1700000000123456789",
  bytes: 5,
  sha256: "a".repeat(64),
  ...change,
});
const file = (live: Compared["live"], restored: Seen | undefined = seen(), path = "/etc/x"): Compared => ({
  path,
  restored,
  live,
});
const judge = (files: readonly Compared[], canary: string | undefined = `${run}\n`) =>
  judgeProof({ run, canary, files });

test("the canary and unchanged files with the same content are a good proof", () => {
  assert.deepEqual(judge([file(seen()), file(seen())]), {
    outcome: "good",
    summary: "2 files came back; 2 compared with the VPS",
  });
  assert.equal(judge([]).outcome, "good");
});

test("what has changed, is gone or is not shown is counted and not compared", () => {
  const other = { sha256: "b".repeat(64) };
  const files = [
    file(seen()),
    file(seen({ ...other, mtime: "1700000000123456790" })),
    file(seen({ ...other, bytes: 6 })),
    file("gone"),
    file("unreadable"),
    file("not-in-this-job"),
  ];
  assert.deepEqual(judge(files), {
    outcome: "good",
    summary:
      "6 files came back; 1 compared with the VPS; not compared: 2 changed since, 1 gone since, 2 not shown by the VPS",
  });
});

test("a canary that is missing or another's fails it, and so do another content and a file that did not come back", () => {
  const different = file(seen({ sha256: "b".repeat(64) }), seen(), "/etc/\x1b[2Jevil");
  const cases: readonly (readonly [ReturnType<typeof judge>, RegExp])[] = [
    [judgeProof({ run, canary: undefined, files: [] }), /run's name did not come back/],
    [judge([], "another\x07\n"), /holds "another", not "20261122t/],
    [judge([], run), /holds/],
    [
      judgeProof({ run, canary: `${run}\n`, files: [], unreadable: "Data integrity error\x07" }),
      /^Data integrity error\.$/,
    ],
    [judge([different]), /^\/etc\/ \[2Jevil came back with other content/],
    [judge([{ ...file(seen()), restored: undefined }]), /^\/etc\/x did not come back/],
  ];
  for (const [{ outcome, problem = "" }, words] of cases) {
    assert.equal(outcome, "failed");
    assert.match(problem, words);
  }
});

test("when nobody could be asked it says so", () => {
  const verdict = judgeProof({ run, canary: `${run}\n`, files: [file(undefined)], unasked: "web1 is away." });
  assert.deepEqual(verdict, {
    outcome: "good",
    summary: "1 file came back; none was compared: web1 is away.",
  });
});

const line = (change: object = {}) =>
  JSON.stringify({ mtime: "1", size: 2, sha256: "c".repeat(64), ...change });

test("the VPS's answers are taken in order, and as one: one that is none spoils them all", () => {
  assert.deepEqual(parseAnswers(`${line()}\n{"error":"gone"}\n`, 2, "web1"), {
    kind: "answered",
    files: [{ mtime: "1", bytes: 2, sha256: "c".repeat(64) }, "gone"],
  });
  const spoiled = [
    `${line()}\n`,
    `${line()}\n${line()}\n${line()}\n`,
    `${line()}\nno JSON\n`,
    `${line()}\n${line({ sha256: "x" })}\n`,
    `${line()}\n${line({ mtime: 1 })}\n`,
    `${line()}\n{"error":"\\u001b[2J"}\n`,
  ];
  for (const text of spoiled) assert.equal(parseAnswers(text, 2, "web1").kind, "unasked", text);
});

const item = (n: number, change: Partial<Item> = {}): Item => ({
  type: "-",
  path: `etc/${n}`,
  bytes: 10,
  hardLink: false,
  ...change,
});

test("a sample has files that can be compared alone, and no more of them or of their bytes than its limits", () => {
  const { add, sample } = reservoir({ files: 3, fileBytes: 100, totalBytes: 150 });
  const odd: readonly Partial<Item>[] = [
    { type: "d" },
    { type: "l" },
    { type: "p" },
    { hardLink: true },
    { bytes: 101 },
    { path: "no utf-8 ?" },
    { path: "../x" },
    { path: "x".repeat(3001) },
  ];
  for (const [n, change] of odd.entries()) add(item(n, change));
  assert.deepEqual(sample(), []);
  for (let n = 0; n < 3; n++) add(item(n, { bytes: 100 }));
  assert.equal(sample().length, 1);
});

test("each file of a list is as likely in the sample as any other", () => {
  const hits = new Map<string, number>();
  let state = 1;
  // xorshift: the same numbers in every run
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < 4000; round++) {
    const { add, sample } = reservoir({ files: 5, fileBytes: 100, totalBytes: 1e6 }, random);
    for (let n = 0; n < 20; n++) add(item(n));
    for (const { path } of sample()) hits.set(path, (hits.get(path) ?? 0) + 1);
  }
  assert.equal(hits.size, 20);
  for (const [path, count] of hits) assert.ok(count > 850 && count < 1150, `${path}: ${count} of 1000`);
});

test("a sample never holds a file twice, nor more than it may", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 30 }), (count, files) => {
      const { add, sample } = reservoir({ files, fileBytes: 100, totalBytes: 1e6 });
      for (let n = 0; n < count; n++) add(item(n));
      const paths = sample().map(({ path }) => path);
      assert.equal(new Set(paths).size, paths.length);
      assert.equal(paths.length, Math.min(count, files));
    }),
  );
});
