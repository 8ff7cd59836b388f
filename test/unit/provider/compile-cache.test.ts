import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";

const source = path.resolve(import.meta.dirname, "../../../provider/compile-cache.cjs");

/** Runs a program of a project that has this in it; whether something is kept beside its packages. */
function keeps(prepare: (packages: string) => void): boolean {
  const project = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-compile-"));
  const at = (name: string) => path.join(project, name);
  fs.mkdirSync(at("provider"));
  fs.mkdirSync(at("node_modules"));
  fs.copyFileSync(source, at("provider/compile-cache.cjs"));
  fs.writeFileSync(at("main.cjs"), "module.exports = () => 1;\n");
  prepare(at("node_modules"));
  const { NODE_COMPILE_CACHE: _, ...env } = process.env;
  execFileSync(process.execPath, ["--require", at("provider/compile-cache.cjs"), at("main.cjs")], { env });
  const kept = fs.existsSync(at("node_modules/.cache/borgpull"));
  fs.rmSync(project, { recursive: true });
  return kept;
}

test("what V8 made of the modules is kept beside the packages", () => {
  assert.equal(
    keeps(() => {}),
    true,
  );
});

test("nothing is kept beside another user's packages, nor where there are none", (context) => {
  assert.equal(
    keeps((packages) => fs.rmdirSync(packages)),
    false,
  );
  if (process.getuid?.() !== 0) return context.skip("only root can give a folder away");
  assert.equal(
    keeps((packages) => fs.chownSync(packages, 65_534, 65_534)),
    false,
  );
});
