import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { openLedger } from "../../pull/ledger.ts";
import { homePaths } from "../../schema/paths.ts";
import { planned } from "./plan.ts";
import { openProgram, type Program, type RunOptions } from "./program.ts";

let program: Program;
let folder: string;

const web1 = () => program.host("web1");
const borgctl = "/usr/local/lib/borgpull/borgctl";
const notHere = /This is not the machine \(or user\) at home/;

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "admin" }]);
  folder = path.join(program.stack.folder, "second");
  await program.configure({ web1: program.entry("web1") });
  const { code, out } = await program.up();
  assert.equal(code, 0, out);
  makeSecondMachine();
});

after(async () => {
  await program?.[Symbol.asyncDispose]();
});

/** A `pulumi` that runs in a mount namespace where another machine's id and host name are, and nothing of home's. */
function makeSecondMachine(): void {
  for (const name of ["bin", "hidden", "config", "state"])
    fs.mkdirSync(path.join(folder, name), { recursive: true });
  fs.writeFileSync(path.join(folder, "machine-id"), "0123456789abcdef0123456789abcdef\n");
  const script = `#!/bin/sh
    exec unshare --mount --uts sh -ec '
      hostname second
      test ! -e /etc/machine-id || mount --bind "$1/machine-id" /etc/machine-id
      mount --bind "$1/hidden" "$2"
      PATH=$3; shift 3; export PATH
      exec pulumi "$@"' sh '${folder}' '${path.join(program.stack.folder, "home")}' '${program.stack.env.PATH}' "$@"\n`;
  fs.writeFileSync(path.join(folder, "bin/pulumi"), script, { mode: 0o755 });
}

/** There, with a config and a state folder of its own. */
const there = (env: Readonly<Record<string, string>> = {}): RunOptions => ({
  env: {
    PATH: `${folder}/bin:${program.stack.env.PATH}`,
    BORGPULL_CONFIG: path.join(folder, "config"),
    BORGPULL_STATE: path.join(folder, "state"),
    ...env,
  },
});

/** Whatever was made on the second machine. */
const made = () =>
  ["hidden", "config", "state"].flatMap((name) =>
    fs.readdirSync(path.join(folder, name), { recursive: true }).map((file) => `${name}/${file}`),
  );

/** What home has: every file below its folder that is not of the moment. */
const atHome = () =>
  fs
    .readdirSync(path.join(program.stack.folder, "home"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.db(-\w+)?$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted();

/** How many lines the second job has among the pull keys. */
const keyLines = () => web1().run("grep -c 'borgctl extra' /etc/ssh/borgpull.authorized_keys || :");

function runs(): number {
  using ledger = openLedger(homePaths({ ...program.stack.env }).stateDb);
  return ledger.runs("web1", 100).length;
}

test("without a change a preview there is clean, and says that home is elsewhere", async () => {
  const { code, out } = await program.begin(["preview", "--expect-no-changes"], there()).ended;
  assert.equal(code, 0, out);
  assert.match(out, /This is not the machine at home: what is there is shown as last known/);
  assert.deepEqual(made(), []);
});

test("drift of a VPS is shown there, that and nothing else, and `up` there repairs it, pulls nothing and makes nothing", async () => {
  const [files, pulls] = [atHome(), runs()];
  await web1().run(`echo '# not ours' >> ${borgctl}`);
  const preview = await program.preview(there());
  assert.deepEqual(planned(preview.out), ["~ web1-borgctl (update)", "~ content:", "- # not ours"]);
  const up = await program.up(there());
  assert.equal(up.code, 0, up.out);
  assert.equal(await web1().run(`grep -c 'not ours' ${borgctl} || :`), "0\n");
  assert.deepEqual([made(), atHome(), runs()], [[], files, pulls]);
  assert.equal(await program.clean(there()), 0);
  assert.equal(await program.clean(), 0);
});

test("a pull that is asked for there is refused in words", async () => {
  const pulls = runs();
  const asked = there({ BORGPULL_PULL: "all" });
  const preview = await program.preview(asked);
  assert.match(preview.out, notHere);
  assert.match(preview.out, /due: asked for by BORGPULL_PULL/);
  const { code, out } = await program.up(asked);
  assert.notEqual(code, 0, out);
  assert.match(out, notHere);
  assert.deepEqual([made(), runs()], [[], pulls]);
});

test("a new job declared there is refused before anything of it is made at home, and the preview says so", async () => {
  const files = atHome();
  const { paths: _, ...host } = program.entry("web1");
  const etc = { paths: ["/etc"] };
  await program.configure({ web1: { ...host, jobs: { web1: etc, extra: etc } } });
  const preview = await program.preview(there());
  assert.match(preview.out, notHere);
  const { code, out } = await program.up(there());
  assert.notEqual(code, 0, out);
  assert.match(out, notHere);
  assert.deepEqual([made(), atHome()], [[], files]);
  assert.equal(await keyLines(), "0\n");
});

test("at home the same stack goes on: the new job is made, and a preview is clean here and there", async () => {
  const { code, out } = await program.up();
  assert.equal(code, 0, out);
  assert.deepEqual(await Promise.all([keyLines(), program.clean(), program.clean(there())]), ["1\n", 0, 0]);
});

test("a job removed there is refused, and its key line stays", async () => {
  const files = atHome();
  await program.configure({ web1: program.entry("web1") });
  const { code, out } = await program.up(there());
  assert.notEqual(code, 0, out);
  assert.match(out, notHere);
  assert.deepEqual([await keyLines(), made(), atHome()], ["1\n", [], files]);
});
