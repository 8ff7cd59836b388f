import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { borgpull } from "../../borgpull.ts";

test("completes verbs, options, and the names of home's jobs", async () => {
  await using home = await fs.mkdtempDisposable(path.join(os.tmpdir(), "borgpull-completion-"));
  await fs.mkdir(path.join(home.path, "jobs"));
  for (const name of ["web1.json", "db1.json", "db1.json.new"])
    await fs.writeFile(path.join(home.path, "jobs", name), "");
  const env = { ...process.env, BORGPULL_CONFIG: home.path };
  const complete = async (...words: readonly string[]) => {
    const { stdout } = await borgpull(["complete", "--", ...words], { env });
    return stdout.split("\n").map((line) => line.split("\t")[0]);
  };
  assert.deepEqual((await complete("run", "")).slice(0, 2), ["db1", "web1"]);
  assert.ok((await complete("roll")).includes("rollback"));
  assert.ok((await complete("list", "--j")).includes("--json"));
});

test("without a home it completes nothing, and says nothing", async () => {
  const env = { ...process.env, BORGPULL_CONFIG: path.join(os.tmpdir(), "borgpull-no-such-home") };
  const { stdout, stderr } = await borgpull(["complete", "--", "run", ""], { env });
  assert.deepEqual({ lines: stdout.trim().split("\n").length, stderr }, { lines: 1, stderr: "" });
});
