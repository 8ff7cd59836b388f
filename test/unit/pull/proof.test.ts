import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Item } from "../../../pull/borg/contents.ts";
import {
  type Canary,
  type Compared,
  type Content,
  judgeProof,
  type Live,
} from "../../../pull/proof/judge.ts";
import { parseAnswers } from "../../../pull/proof/live.ts";
import { restoredFile, restoredText } from "../../../pull/proof/restored.ts";
import { reservoir } from "../../../pull/proof/sample.ts";

const run = "20261122t031500z-9f3c1a07be42";
const second = 1e6;
/** When the run began, by the VPS's clock. */
const began = 1_700_000_000 * second;
const restored: Content = { bytes: 5, sha256: "a".repeat(64) };
/** On the VPS, unchanged since a day before the run. */
const live = (change: Partial<Live> = {}): Live => ({
  ...restored,
  changed: began - 86_400 * second,
  ...change,
});
const file = (now: Compared["live"], change: Partial<Compared> = {}): Compared => ({
  ...{ path: "/etc/x", changed: began - 86_400 * second, restored, live: now },
  ...change,
});
const back = (text = `${run}\n`): Canary => ({ kind: "back", text, changed: began });
const judge = (files: readonly Compared[], canary: Canary = back()) => judgeProof({ run, canary, files });
const others = { sha256: "b".repeat(64) };

test("the canary and unchanged files with the same content are a good proof", () => {
  assert.deepEqual(judge([file(live()), file(live())]), {
    outcome: "good",
    summary: "2 files came back; 2 compared with the VPS",
  });
});

test("an archive that has the canary alone is a good proof, too", () => {
  assert.deepEqual(judge([]), { outcome: "good", summary: "there is no file of up to 64 MB to compare" });
});

test("what has changed, is gone or is not shown is counted and not compared", () => {
  const files = [
    file(live()),
    file(live({ ...others, changed: began + second })),
    file(live({ ...others, bytes: 6 })),
    file(live({ ...others, changed: Number.NaN })),
    file("gone"),
    file("unreadable"),
    file("not-in-this-job"),
  ];
  assert.deepEqual(judge(files), {
    outcome: "good",
    summary:
      "7 files came back; 1 compared with the VPS; not compared: 3 changed since, 1 gone since, 2 not shown by the VPS",
  });
});

test("another content with the same ctime counts, unless the file was changed less than a minute before the run", () => {
  const at = (changed: number) => judge([file(live({ ...others, changed }), { changed })]);
  assert.equal(at(began - 61 * second).outcome, "failed");
  assert.equal(judge([file(live(others), { changed: live().changed + 2 })]).outcome, "failed", "borg rounds");
  assert.deepEqual(at(began - 59 * second), {
    outcome: "good",
    summary: "1 file came back; 0 compared with the VPS; not compared: 1 changed since",
  });
});

test("a canary that is lost, missing or another's fails it, and so do another content and a file that did not come back", () => {
  const different = file(live(others), { path: "/etc/\x1b[2Jevil" });
  const cases: readonly (readonly [ReturnType<typeof judge>, RegExp])[] = [
    [judge([], { kind: "lost" }), /run's name did not come back/],
    [judge([], { kind: "missing" }), /is not in the archive, as it was in earlier ones/],
    [judge([], back("another\x07\n")), /holds "another", not "20261122t/],
    [judge([], back(run)), /holds/],
    [
      judgeProof({ run, canary: back(), files: [], unreadable: "Data integrity error\x07" }),
      /^Data integrity error\.$/,
    ],
    [judge([different]), /^\/etc\/ \[2Jevil came back with other content/],
    [judge([file(live(), { restored: undefined })]), /^\/etc\/x did not come back/],
  ];
  for (const [{ outcome, problem = "" }, words] of cases) {
    assert.equal(outcome, "failed");
    assert.match(problem, words);
  }
});

test("a proof that fails says which files are to be looked at again: those at fault, or all where borg could not go on", () => {
  const files = [
    file(live(), { path: "/same" }),
    file(live(others), { path: "/different" }),
    file(live(), { path: "/lost", restored: undefined }),
  ];
  assert.deepEqual(judge(files).again, ["/lost", "/different"]);
  const broken = judgeProof({ run, canary: back(), files, unreadable: "Data integrity error" });
  assert.deepEqual(broken.again, ["/same", "/different", "/lost"]);
  assert.deepEqual(judge([file(live())], { kind: "missing" }).again, []);
  assert.equal(judge([file(live())]).again, undefined);
});

test("an archive from before there was a canary: its files prove it, and without any there is no proof", () => {
  assert.deepEqual(judge([file(live())], { kind: "none" }), {
    outcome: "good",
    summary:
      "1 file came back; 1 compared with the VPS; the run's name is not in the archive, as in those of an older borgpull",
  });
  const { outcome, problem } = judge([], { kind: "none" });
  assert.equal(outcome, "ended");
  assert.match(problem ?? "", /nothing to prove it with/);
});

test("when nobody could be asked it says so", () => {
  const facts = { run, canary: back(), files: [file(undefined)], unasked: "web1 is away." };
  assert.deepEqual(judgeProof(facts), {
    outcome: "good",
    summary: "1 file came back; none was compared: web1 is away.",
  });
});

const line = (change: object = {}) =>
  JSON.stringify({ ctime: "1999", size: 2, sha256: "c".repeat(64), ...change });

test("the VPS's answers are taken in order, and as one: one that is none spoils them all", () => {
  assert.deepEqual(parseAnswers(`${line()}\n{"error":"gone"}\n`, 2, "web1"), {
    kind: "answered",
    files: [{ changed: 1.999, bytes: 2, sha256: "c".repeat(64) }, "gone"],
  });
  const spoiled = [
    `${line()}\n`,
    `${line()}\n${line()}\n${line()}\n`,
    `${line()}\nno JSON\n`,
    `${line()}\n${line({ sha256: "x" })}\n`,
    `${line()}\n${line({ ctime: 1 })}\n`,
    `${line()}\n{"error":"\\u001b[2J"}\n`,
  ];
  for (const text of spoiled) assert.equal(parseAnswers(text, 2, "web1").kind, "unasked", text);
});

const item = (n: number, change: Partial<Item> = {}): Item => ({
  type: "-",
  path: `etc/${n}`,
  bytes: 10,
  hardLink: false,
  changed: 0,
  ...change,
});

test("what came back is read in its own folder alone, whatever lies on the way", async (context) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-proof-"));
  context.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const room = path.join(folder, "room");
  fs.mkdirSync(path.join(room, "a"), { recursive: true });
  fs.writeFileSync(path.join(folder, "home's"), "secret");
  fs.writeFileSync(path.join(room, "a/file"), "hello\n", { mode: 0o000 });
  fs.symlinkSync("..", path.join(room, "away"));
  fs.symlinkSync("a/file", path.join(room, "link"));
  execFileSync("mkfifo", [path.join(room, "pipe")]);
  const sha256 = crypto.createHash("sha256").update("hello\n").digest("hex");
  assert.deepEqual(await restoredFile(room, "a/file"), { bytes: 6, sha256 });
  assert.equal(await restoredText(room, "a/file"), "hello\n");
  for (const not of ["away/home's", "link", "pipe", "a", "a/file/x", "none"]) {
    assert.equal(await restoredFile(room, not), undefined, not);
  }
});

test("a sample has files that can be compared alone, and no more of them or of their bytes than its limits", () => {
  const { add, sample } = reservoir([], { files: 3, fileBytes: 100, totalBytes: 150 });
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

test("what the last proof found fault with is in the sample, if it is there still and may be at all", () => {
  const again = ["etc/17", "etc/gone", "etc/link"];
  const { add, sample } = reservoir(again, { files: 3, fileBytes: 100, totalBytes: 1000 });
  for (let n = 0; n < 40; n++) add(item(n));
  add(item(0, { path: "etc/link", type: "l" }));
  const paths = sample().map(({ path }) => path);
  assert.equal(paths[0], "etc/17");
  assert.equal(new Set(paths).size, 3);
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
    const { add, sample } = reservoir([], { files: 5, fileBytes: 100, totalBytes: 1e6 }, random);
    for (let n = 0; n < 20; n++) add(item(n));
    for (const { path } of sample()) hits.set(path, (hits.get(path) ?? 0) + 1);
  }
  assert.equal(hits.size, 20);
  for (const [path, count] of hits) assert.ok(count > 850 && count < 1150, `${path}: ${count} of 1000`);
});

test("a sample never holds a file twice, nor more than it may", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 30 }), (count, files) => {
      const { add, sample } = reservoir([], { files, fileBytes: 100, totalBytes: 1e6 });
      for (let n = 0; n < count; n++) add(item(n));
      const paths = sample().map(({ path }) => path);
      assert.equal(new Set(paths).size, paths.length);
      assert.equal(paths.length, Math.min(count, files));
    }),
  );
});
