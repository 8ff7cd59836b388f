import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { asJson, asText, type ListedArchive, recorded } from "../../../cli/list.ts";
import { type Breach, openLedger } from "../../../pull/ledger.ts";
import { homePaths } from "../../../schema/paths.ts";

const hostile = `evil\u001b]0;x\u0007\nweb1-20301122t000000z-abcdef\u202e\u009b2J${"y".repeat(10_000)}`;
const archive = (name: string, rest: Partial<ListedArchive> = {}): ListedArchive => ({
  id: name.slice(0, 8),
  name,
  run: "20301122t000000z-abcdef",
  trust: "good",
  seen: 0,
  time: new Date(2030, 10, 22, 3, 15).getTime(),
  ...rest,
});
const breach: Breach = {
  number: 1,
  job: "web1",
  repository: "r",
  found: new Date(2030, 10, 23, 3, 15).getTime(),
  after: 1,
  upTo: 2,
  runs: [],
  findings: Array.from({ length: 40 }, (_, index) => ({
    kind: "archive-appeared",
    id: String(index),
    name: `${index} ${hostile}`,
  })),
};

test("each archive is a line of time, trust, sizes and name; one of ours is whole on any terminal", () => {
  const figures = {
    files: 3,
    originalBytes: 1_204_000_000,
    compressedBytes: 1,
    newBytes: 12_300,
    seconds: 1,
  };
  const long = `${"a".repeat(40)}-20301122t000000z-abcdef`;
  const lines = asText(
    "web1",
    [archive("web1-one", { figures }), archive(long, { trust: "partial" })],
    [],
    80,
  ).split("\n");
  assert.deepEqual(lines, [
    "time              trust           size      new  archive",
    "2030-11-22 03:15  good          1.2 GB    12 kB  web1-one",
    `2030-11-22 03:15  partial                        ${long}`,
  ]);
});

test("hostile names act on no terminal, make no line of their own and are cut to the width", () => {
  const { run: _, ...foreign } = archive(hostile, { trust: "foreign" });
  const text = asText("web1", [foreign], [], 80);
  assert.equal(text.split("\n").length, 2);
  assert.ok(
    text.split("\n").every((line) => line.length <= 80),
    text,
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  const json = asJson("web1", [foreign], [breach]);
  assert.match(json, /^[\n\x20-\x7e]*$/);
  assert.equal(JSON.parse(json).archives[0].name, hostile);
});

test("what was found is told in full, with the remedy", () => {
  const text = asText("web1", [], [breach], 80);
  assert.match(text, /^web1: no archive is recorded\.\n\nFound 2030-11-23 03:15, while no run/);
  assert.equal(text.match(/has appeared/g)?.length, 40);
  assert.match(text, /borgpull rollback web1.*borgpull accept web1/);
});

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "list-"));
const saved = { ...process.env };
before(() => {
  Object.assign(process.env, {
    BORGPULL_CONFIG: path.join(folder, "config"),
    BORGPULL_STATE: path.join(folder, "state"),
  });
});
after(() => {
  process.env = saved;
  fs.rmSync(folder, { recursive: true });
});
const job = { job: "web1", repository: path.join(folder, "nowhere") };

test("without records, and without a repository, there is nothing to list, and nothing is made", () => {
  assert.deepEqual(recorded(job), { archives: [], breaches: [] });
  assert.deepEqual(fs.readdirSync(folder), []);
});

test("records are read while somebody writes them", () => {
  const copy = path.join(homePaths().keyCopy("web1"), "config");
  fs.mkdirSync(path.dirname(copy), { recursive: true });
  const id = "ab".repeat(32);
  fs.writeFileSync(copy, `[repository]\nid = ${id}\n`);
  using ledger = openLedger(homePaths().stateDb, () => 1000);
  ledger.begin("run-0001", "web1");
  ledger.addArchive(id, { id: "1", name: "web1-run-0001", run: "run-0001", trust: "good" });
  using writer = new DatabaseSync(homePaths().stateDb);
  writer.exec("BEGIN EXCLUSIVE; DELETE FROM archives");
  const began = performance.now();
  assert.deepEqual(
    recorded(job).archives.map(({ name, time }) => [name, time]),
    [["web1-run-0001", 1000]],
  );
  assert.ok(performance.now() - began < 2000);
});
