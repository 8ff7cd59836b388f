/** The program behind the verb `hash`, by itself on this machine: what it takes for a list of paths, and what cannot keep it waiting. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { ownerMark } from "../../../schema/names.ts";
import { vpsPaths } from "../../../schema/paths.ts";
import { version } from "../../../schema/version.ts";
import * as templates from "../../../templates/index.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "hash-"));
const root = path.join(folder, "root");
after(() => fs.rmSync(folder, { recursive: true }));

const source = templates.hash({
  mark: ownerMark("borgpull/test"),
  instance: "borgpull",
  paths: vpsPaths("borgpull"),
  privilege: "read-all",
  version,
});

before(() => {
  fs.mkdirSync(root);
  fs.writeFileSync(path.join(root, "page"), "page\n");
  fs.writeFileSync(path.join(folder, "patterns"), `# a comment\nR ${root}\n`);
});

/** Asks for the files of this input; `numbers` of the program changed, such as COME_SECONDS. */
async function ask(
  stdin: string | Buffer | "open",
  numbers: Readonly<Record<string, number>> = {},
  before = "",
) {
  const file = path.join(folder, `program-${Object.values(numbers).join("-")}`);
  const changed = Object.entries(numbers).reduce((all, [name, value]) => {
    assert.match(all, new RegExp(`^${name} = `, "m"));
    return all.replace(new RegExp(`^${name} = .*`, "m"), `${name} = ${value}`);
  }, source);
  fs.writeFileSync(file, changed);
  const words = [file, path.join(folder, "patterns"), path.join(folder, "canary"), "/none", "yes"];
  const child = spawn("sh", ["-c", `${before} exec "$@"`, "sh", "python3", "-I", ...words]);
  child.stdin.on("error", () => {});
  if (stdin !== "open") child.stdin.end(stdin);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return {
    code,
    stderr,
    stdout,
    answers: stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line)),
  };
}
const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");

test("what is no list of paths is refused, without a word on stdout", async () => {
  const no = ["", "\0", "root/page\0", `${root}/../x\0`, `${root}/\0`, `/${root}/page\0`, `${root}/./page\0`];
  const much = [`${root}/page\0`.repeat(101), `${root}/${"x".repeat(66_000)}\0`, "x".repeat(1 << 20)];
  for (const stdin of [...no, ...much]) {
    const { code, stdout, stderr } = await ask(stdin);
    assert.deepEqual([code, stdout], [219, ""], JSON.stringify(stdin.slice(0, 30)));
    assert.match(stderr, /^borgctl: hash takes .*\n$/);
  }
  assert.equal((await ask(`${root}/page\0`.repeat(100))).answers.length, 100);
});

test("any bytes are a name", async () => {
  const name = Buffer.from([0xff, 0xfe, 0x0a, 0x27, 0x24]);
  const file = Buffer.concat([Buffer.from(`${root}/`), name]);
  fs.writeFileSync(file, "odd");
  const { answers } = await ask(Buffer.concat([file, Buffer.from([0])]));
  assert.equal(answers[0]?.sha256, sha256("odd"));
});

test("a file whose owner holds a lease on it, and a pipe, keep nobody waiting", async () => {
  const leased = path.join(root, "leased");
  const hold = `import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()`;
  execFileSync("mkfifo", [path.join(root, "pipe")]);
  const holder = spawn("python3", ["-c", hold, leased]);
  await once(holder.stdout, "data");
  const { answers } = await ask(`${leased}\0${root}/pipe\0${root}/page\0`);
  holder.kill("SIGKILL"); // the kernel would wait for it for 45 s
  assert.deepEqual(
    answers.map(({ error }) => error),
    ["unreadable", "gone", undefined],
  );
});

test("paths that do not come, or a file that has no end, are given up, also when the caller ignores alarms", async () => {
  fs.writeFileSync(path.join(root, "endless"), "");
  fs.truncateSync(path.join(root, "endless"), 2 ** 42);
  const late = await ask("open", { COME_SECONDS: 1 }, "trap '' ALRM;");
  assert.deepEqual([late.code, late.stderr], [219, "borgctl: the paths did not come within 1 s\n"]);
  const long = await ask(`${root}/page\0${root}/endless\0`, { ALL_SECONDS: 1 }, "trap '' ALRM;");
  assert.equal(long.code, 219);
  assert.match(long.stderr, /^borgctl: to hash these files takes more than 1 s\n$/);
});
