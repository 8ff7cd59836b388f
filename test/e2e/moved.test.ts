import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { borgpull } from "../borgpull.ts";
import { openProgram, type Program } from "./program.ts";

let program: Program;

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
});
after(() => program?.[Symbol.asyncDispose]());

const configure = (more: Readonly<Record<string, unknown>> = {}) =>
  program.configure({ web1: program.entry("web1", { paths: ["/etc/ssh"], ...more }) });

test("a repository that its person has moved is followed, and the next pull finds nothing odd at home or on the VPS", async () => {
  await configure();
  const first = await program.up();
  assert.equal(first.code, 0, first.out);
  const old = path.join(program.stack.repositories, "web1");
  const now = path.join(program.stack.folder, "another disk", "web1");

  await configure({ repository: now });
  const early = await program.up({ env: { BORGPULL_PULL: "never" } });
  assert.notEqual(early.code, 0);
  assert.match(early.out, new RegExp(`Move it there from ${old} and run .pulumi up. again`));
  assert.ok(fs.existsSync(path.join(old, "config")) && !fs.existsSync(now), "nothing is made, nothing moved");
  const meanwhile = await borgpull(["run", "web1"], { env: program.stack.env });
  assert.equal(meanwhile.code, 0, meanwhile.stderr);

  fs.mkdirSync(path.dirname(now), { recursive: true });
  fs.renameSync(old, now);
  const preview = await program.preview({ env: { BORGPULL_PULL: "never" } });
  assert.doesNotMatch(preview.out, /replace/i);
  const second = await program.up({ env: { BORGPULL_PULL: "all" } });
  assert.equal(second.code, 0, second.out);
  const list = await borgpull(["list", "web1", "--json"], { env: program.stack.env });
  assert.equal(list.code, 0, list.stderr);
  const { archives, breaches } = JSON.parse(list.stdout) as {
    archives: { trust: string }[];
    breaches: unknown[];
  };
  assert.deepEqual(
    archives.map(({ trust }) => trust),
    ["good", "good", "good"],
  );
  assert.deepEqual(breaches, []);
  assert.equal(await program.clean(), 0);
});
