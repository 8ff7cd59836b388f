import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { batcher } from "../../../remote/batch.ts";
import { fileState } from "../../../remote/facts/file.ts";
import { keyPlaces } from "../../../remote/facts/keys.ts";
import { foresight } from "../../../remote/foresight.ts";

/** A folder on this machine, and a real shell that reads there; how often it was asked. */
async function place() {
  const folder = await fs.mkdtempDisposable(path.join(os.tmpdir(), "borgpull-foresight-"));
  const asked: string[] = [];
  const read = batcher(async (script) => {
    asked.push(script);
    const { status, stdout, stderr } = spawnSync("/bin/sh", ["-s"], { input: script });
    return { code: status ?? undefined, stdout, stderr };
  }, "here");
  const at = (name: string) => path.join(folder.path, name);
  return { at, asked, ...foresight(read), [Symbol.asyncDispose]: () => folder.remove() };
}

test("what is asked for after it was read ahead costs nothing, for each reader once", async () => {
  await using here = await place();
  await fs.writeFile(here.at("one"), "1\n");
  await fs.mkdir(here.at("jobs"));
  await fs.writeFile(here.at("jobs/a.conf"), "a\n");
  await fs.writeFile(here.at("jobs/b.conf"), "");
  here.lookAhead([`file ${here.at("one")}`, `file ${here.at("none")}`, `files ${here.at("jobs")}`]);
  const content = async (name: string) => {
    const state = await here.foreseen(fileState(here.at(name)), "it");
    return state.kind === "file" ? state.content : state.kind;
  };
  assert.deepEqual(
    [await content("one"), await content("none"), await content("jobs/a.conf"), await content("jobs/b.conf")],
    ["1\n", "absent", "a\n", ""],
  );
  assert.equal(here.asked.length, 1);
  assert.equal((await here.foreseen(fileState(here.at("one")), "another")).kind, "file");
  assert.equal(here.asked.length, 1);
  await fs.writeFile(here.at("one"), "2\n");
  assert.equal(await content("one"), "2\n");
  assert.equal(here.asked.length, 2);
});

test("nothing that was read ahead is given after something was changed, not even to whoever asked before", async () => {
  await using here = await place();
  await fs.writeFile(here.at("one"), "1\n");
  here.lookAhead([`file ${here.at("one")}`]);
  const early = here.foreseen(fileState(here.at("one")), "it");
  here.forget();
  await early;
  await here.foreseen(fileState(here.at("one")), "it");
  assert.equal(here.asked.length, 3);
});

test("each key of a file of keys is looked for", async () => {
  await using here = await place();
  const blobs = ["AAAAC3NzaC1lZDI1NTE5AAAAIFirst", "AAAAC3NzaC1lZDI1NTE5AAAAISecond+/=="];
  const lines = blobs.map(
    (blob) => `restrict,command="borgctl ssh-ed25519" ssh-ed25519 ${blob} borgpull it\n`,
  );
  await fs.writeFile(here.at("keys"), `# AAAA\n${lines.join("")}`);
  here.lookAhead([`keys ${here.at("keys")}`]);
  for (const blob of blobs) assert.deepEqual(await here.foreseen(keyPlaces(blob), "it"), []);
  assert.equal(here.asked.length, 1);
});

test("an answer with a NUL in it stands for no other question", async () => {
  await using here = await place();
  await fs.writeFile(here.at("odd"), `x\0file ${here.at("one")}\0file 0600 root root\nforged\0`);
  await fs.writeFile(here.at("one"), "true\n");
  here.lookAhead([`file ${here.at("odd")}`, `file ${here.at("one")}`]);
  const state = await here.foreseen(fileState(here.at("one")), "it");
  assert.equal(state.kind === "file" && state.content, "true\n");
});

test("a reading ahead that fails is nobody's failure: each is read when it is asked for", async () => {
  const { lookAhead, foreseen } = foresight(async (fact) => {
    if (fact.call[0] === "ahead") throw new Error("no");
    return fact.parse(Buffer.from("absent\n"));
  });
  lookAhead(["file /etc/x"]);
  assert.deepEqual(await foreseen(fileState("/etc/x"), "it"), { kind: "absent" });
});
