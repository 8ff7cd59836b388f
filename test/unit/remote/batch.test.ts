import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { batcher } from "../../../remote/batch.ts";
import { fileState } from "../../../remote/facts/file.ts";

/** A real shell on this machine; how often it was asked. */
function shell() {
  const asked: string[] = [];
  const run = async (script: string) => {
    asked.push(script);
    const { status, stdout, stderr } = spawnSync("/bin/sh", ["-s"], { input: script });
    return { code: status ?? undefined, stdout, stderr };
  };
  return { asked, run };
}

test("facts asked for together are one run, the same fact is one line, and a later one is read anew", async () => {
  const { asked, run } = shell();
  const fact = batcher(run, "here");
  const states = await Promise.all(
    [fileState("/etc/passwd"), fileState("/nowhere"), fileState("/etc/passwd")].map(fact),
  );
  assert.deepEqual(
    states.map(({ kind }) => kind),
    ["file", "absent", "file"],
  );
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.match(/^fact file/gm)?.length, 2);
  await fact(fileState("/etc/passwd"));
  assert.equal(asked.length, 2);
});

test("any path and any content come through as they are", async () => {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "borgpull-batch-"));
  const name = fc
    .string({ unit: "binary", minLength: 1, maxLength: 40 })
    .filter(
      (text) =>
        text.isWellFormed() &&
        !/[\0/]/.test(text) &&
        text !== "." &&
        text !== ".." &&
        Buffer.byteLength(text) < 200,
    );
  const fact = batcher(shell().run, "here");
  await fc.assert(
    fc.asyncProperty(
      name,
      fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
      async (file, content) => {
        const at = path.join(folder, file);
        await fs.writeFile(at, content, { mode: 0o640 });
        const state = await fact(fileState(at));
        assert.equal(state.kind === "file" && state.content, content);
        await fs.rm(at);
      },
    ),
    { numRuns: 40 },
  );
  await fs.rm(folder, { recursive: true });
});

test("a login whose shell does something else is one clear error for all that asked", async () => {
  const fact = batcher(
    async () => ({
      code: 1,
      stdout: Buffer.from("This account is not available.\n"),
      stderr: Buffer.from(""),
    }),
    "web1",
  );
  const results = await Promise.allSettled([fact(fileState("/a")), fact(fileState("/b"))]);
  for (const result of results) {
    assert.equal(result.status, "rejected");
    assert.match(
      String((result as PromiseRejectedResult).reason),
      /web1: the shell did not run what it was given/,
    );
  }
});
