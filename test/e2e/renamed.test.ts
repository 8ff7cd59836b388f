import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { openLedger } from "../../pull/ledger.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { openProgram, type Program } from "./program.ts";

let program: Program;
const never = { env: { BORGPULL_PULL: "never" } };

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
});
after(() => program?.[Symbol.asyncDispose]());

const configure = (job: string, more: Readonly<Record<string, unknown>> = {}) => {
  const { paths: _, ...host } = program.entry("web1");
  return program.configure({ web1: { ...host, jobs: { [job]: { paths: ["/etc/ssh"], ...more } } } });
};
const home = () => homePaths(program.stack.env);
const read = (file: string) => fs.readFileSync(file, "utf8");
const below = (folder: string) => fs.readdirSync(path.join(home().config, folder)).toSorted();
const run = (job: string) => borgpull(["run", job], { env: program.stack.env });

test("a job under another name keeps its repository, passphrase, key and records, and its next pull is an unchanged one", async () => {
  await configure("web1", { schedule: "*-*-* 03:00:00" });
  const first = await program.up();
  assert.equal(first.code, 0, first.out);
  assert.equal((await run("web1")).code, 0);
  const before = { passphrase: read(home().passphrase("web1")), key: read(home().pullKey("web1")) };

  await configure("www", { renamedFrom: "web1", schedule: "*-*-* 03:00:00" });
  const second = await program.up(); // pulls nothing: the last backup is young enough
  assert.equal(second.code, 0, second.out);
  assert.equal(read(home().passphrase("www")), before.passphrase);
  assert.equal(read(home().pullKey("www")), before.key);
  for (const [folder, left] of Object.entries({
    passphrases: ["www"],
    keys: ["www", "www.pub"],
    repositories: ["www"],
    jobs: ["www.json"],
  }))
    assert.deepEqual(below(folder), left, folder);
  const { jobs, authorizedKeys } = vpsPaths("borgpull");
  const there = await program.host("web1").run(`ls ${jobs}; cat ${authorizedKeys}`);
  assert.ok(!there.includes("web1"), there);

  {
    using ledger = openLedger(home().stateDb);
    assert.equal(ledger.runs("web1", 10).length, 0);
    assert.equal(ledger.runs("www", 10).length, 2, "no pull was due");
    assert.ok(ledger.lastGood("www"));
  }
  const third = await run("www");
  assert.equal(third.code, 0, third.stderr);
  assert.match(third.stdout, /archive www-/);
  const list = await borgpull(["list", "www", "--json"], { env: program.stack.env });
  assert.equal(list.code, 0, list.stderr);
  const { archives } = JSON.parse(list.stdout) as { archives: { name: string; trust: string }[] };
  assert.deepEqual(
    archives.map(({ name, trust }) => `${name.slice(0, 4)} ${trust}`),
    ["web1 good", "web1 good", "www- good"],
  );
  assert.ok(
    fs.existsSync(path.join(program.stack.repositories, "web1/config")),
    "the repository stays where it is",
  );
  if ((await program.clean()) !== 0) assert.fail((await program.preview(never)).out);
});

test("without renamedFrom another name begins another repository", async () => {
  await configure("fresh");
  const { code, out } = await program.up(never);
  assert.equal(code, 0, out);
  assert.ok(fs.existsSync(path.join(program.stack.repositories, "fresh/config")));
  assert.ok(below("passphrases").includes("www"), "what was there stays");
});
