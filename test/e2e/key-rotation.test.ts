import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { vpsPaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { openProgram, type Program } from "./program.ts";
import { waitFor } from "./pull-fixture.ts";

let program: Program;
const never = { env: { BORGPULL_PULL: "never" } };

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
});
after(() => program?.[Symbol.asyncDispose]());

const configure = (generation: number, more: Readonly<Record<string, unknown>> = {}) =>
  program.configure({
    web1: program.entry("web1", { paths: ["/etc/ssh"], pullKeyGeneration: generation, ...more }),
  });
const pull = () => borgpull(["run", "web1"], { env: program.stack.env });
const keys = () => fs.readdirSync(path.join(program.stack.folder, "home/config/keys")).toSorted();
const publicKey = (file: string) =>
  fs.readFileSync(path.join(program.stack.folder, "home/config/keys", file), "utf8").split(" ")[1] as string;
const keyLines = async () =>
  (await program.host("web1").run(`cat ${vpsPaths("borgpull").authorizedKeys}`)).trim().split("\n");

test("another pull key takes the old one's place, and every run that begins meanwhile is good", async () => {
  await configure(1);
  const first = await program.up();
  assert.equal(first.code, 0, first.out);
  const old = publicKey("web1.pub");

  await configure(2);
  const preview = await program.preview(never);
  assert.match(preview.out, /web1-identity-2/);
  assert.equal((await keyLines()).length, 1, "a preview changes nothing");
  const up = program.begin(["up", "--yes", "--skip-preview"], never);
  let ended = false;
  void up.ended.then(() => {
    ended = true;
  });
  const runs: { readonly code: number | null; readonly stderr: string }[] = [];
  do {
    const run = await pull();
    // While the new key is audited none begins; that is said, and is no matter of the key.
    if (!/is being worked on by process/.test(run.stderr)) runs.push(run);
  } while (!ended);
  const { code, out } = await up.ended;
  assert.equal(code, 0, out);
  runs.push(await pull());
  assert.deepEqual(
    runs.filter((run) => run.code !== 0).map(({ stderr }) => stderr),
    [],
  );
  assert.ok(runs.length > 2, "several runs took place");

  const lines = await keyLines();
  assert.equal(lines.length, 1, lines.join("\n"));
  assert.ok(lines[0]?.includes(publicKey("web1.2.pub")) && !lines[0]?.includes(old));
  assert.equal(
    keys().filter((name) => name.startsWith("web1.removed-")).length,
    2,
    "the old key was moved aside",
  );
  assert.equal(await program.clean(), 0, "nothing is left to do");
});

test("a run that has read its job file before the change goes on with the new key", async () => {
  const hold = path.join(program.stack.folder, "hold");
  const reached = path.join(program.stack.folder, "reached");
  const waiting = {
    audit: false, // it would wait for the run
    hooks: { atHome: { before: { run: `touch ${reached}; while [ -e ${hold} ]; do sleep 0.1; done` } } },
  };
  await configure(2, waiting);
  assert.equal((await program.up(never)).code, 0);
  fs.writeFileSync(hold, "");
  const run = pull();
  await waitFor("the run to wait", () => fs.existsSync(reached));
  await configure(3, waiting);
  const { code, out } = await program.up(never);
  fs.rmSync(hold);
  assert.equal(code, 0, out);
  const { code: outcome, stderr } = await run;
  assert.equal(outcome, 0, stderr);
  assert.ok(keys().includes("web1.3") && !keys().includes("web1.2"), keys().join());
});
