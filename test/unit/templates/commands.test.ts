/** The program that runs hooks and dumps, by itself on this machine: what it hands on, and how it ends what it runs. */
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { after, suite, test } from "node:test";
import { ownerMark } from "../../../schema/names.ts";
import { vpsPaths } from "../../../schema/paths.ts";
import { version } from "../../../schema/version.ts";
import * as templates from "../../../templates/index.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "commands-"));
after(() => fs.rmSync(folder, { recursive: true }));

const source = templates.commands({
  mark: ownerMark("borgpull/test"),
  instance: "borgpull",
  paths: vpsPaths("borgpull"),
  privilege: "read-all",
  version,
});
const me = os.userInfo().username;

/** The program with some of its numbers changed, such as `PULSE_SECONDS`. */
function program(numbers: Readonly<Record<string, number>> = {}): string {
  const file = path.join(folder, `commands-${Object.values(numbers).join("-")}`);
  const changed = Object.entries(numbers).reduce((all, [name, value]) => {
    assert.match(all, new RegExp(`^${name} = `, "m"));
    return all.replace(new RegExp(`^${name} = .*`, "m"), `${name} = ${value}`);
  }, source);
  fs.writeFileSync(file, changed);
  return file;
}

interface Options {
  readonly numbers?: Readonly<Record<string, number>>;
  /** Shell before the program itself, which takes its place. */
  readonly before?: string;
}

function start(words: readonly string[], stdin: string, { numbers, before = "" }: Options = {}) {
  const argv = ["python3", "-I", program(numbers), ...words];
  const child = spawn("sh", ["-c", `${before} exec "$@"`, "sh", ...argv], {
    env: { PATH: process.env.PATH, BORGPULL_JOB: "web1", BORGPULL_RUN: "run-12345" },
  });
  child.stdin.on("error", () => {});
  child.stdin.end(stdin);
  return child;
}

async function ended(child: ChildProcessWithoutNullStreams) {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout.setEncoding("latin1")),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  const told = stderr.split("\n").slice(0, -1);
  return { code, stdout, told: told.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>) };
}

const startHook = (run: string, { name = "before", seconds = 60, ...options }: Hook = {}) =>
  start(["hook", name, me, String(seconds)], run, options);
const hook = (run: string, options: Hook = {}) => ended(startHook(run, options));
type Hook = Options & { readonly name?: string; readonly seconds?: number };

const dumps = (list: Readonly<Record<string, string>>, options: Options = {}) =>
  ended(start(["dumps"], listOf(list), options));
const listOf = (list: Readonly<Record<string, string>>) =>
  JSON.stringify(Object.entries(list).map(([name, run]) => ({ name, user: me, run })));

/** Processes that have this word in their command line; each test has a word of its own. */
function processes(word: string): readonly string[] {
  return fs
    .readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const line = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
        return line.startsWith("python3") || !line.includes(word) ? [] : [line];
      } catch {
        return []; // it ended
      }
    });
}
const word = (test: string) => `${test}-${process.pid}`;

suite("a hook", () => {
  test("says what it likes, and each line of it is told as its own", async () => {
    const { code, told } = await hook(
      `echo 'borgctl: forged'; echo '{"dump": "x", "code": 1, "bytes": 1}' >&2; printf '\\377\\033[31mred'; exit 3`,
    );
    assert.equal(code, 3);
    assert.deepEqual(told, [
      { hook: "before", says: "borgctl: forged" },
      { hook: "before", says: '{"dump": "x", "code": 1, "bytes": 1}' },
      { hook: "before", says: "\ufffd\u001b[31mred" },
    ]);
  });

  test("that says much is told in pieces, and not without end", async () => {
    const { told } = await hook("head -c 1500 /dev/zero | tr '\\0' x; echo; yes | head -c 400000");
    assert.deepEqual(
      told.slice(0, 3).map(({ says }) => String(says).length),
      [600, 600, 300],
    );
    const most = told.reduce((sum, { says }) => sum + String(says).length + 1, 0);
    assert.ok(most > 250_000 && most < 270_000, `${most}`);
  });

  test("is told of now and then while it is silent", async () => {
    const { told } = await hook("sleep 0.3", { numbers: { PULSE_SECONDS: 0.1 } });
    assert.deepEqual(told[0], { hook: "before" });
  });

  test("is over when it has ended, whatever it has left behind", async () => {
    const name = word("left");
    const { code, told } = await hook(
      `sh -c 'sleep 1000; : ${name}' & echo $! > ${folder}/left; printf 'last words'; exit 7`,
    );
    process.kill(Number(fs.readFileSync(`${folder}/left`, "utf8")), "SIGKILL");
    assert.equal(code, 7);
    assert.deepEqual(told, [{ hook: "before", says: "last words" }]);
  });

  test("has none of the caller's signals, and a session of its own", async () => {
    const { told } = await hook("grep -E 'SigIgn|SigBlk' /proc/self/status; ps -o sid= -p $$; echo $$", {
      before: "trap '' TERM PIPE INT CHLD ALRM;",
    });
    const [blocked, ignored, session, pid] = told.map(({ says }) => String(says).trim());
    assert.deepEqual([blocked, ignored], ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"]);
    assert.equal(session, pid);
  });

  test("is ended with all that it has begun when its time is up, if need be the hard way", async () => {
    const name = word("late");
    const { code } = await hook(`trap '' TERM; sh -c "sleep 1000; : ${name}" & sleep 1000`, {
      seconds: 1,
      numbers: { PATIENCE_SECONDS: 1 },
    });
    assert.equal(code, 124);
    assert.deepEqual(processes(name), []);
  });

  test("is ended with all that it has begun when we are told to end, also when the caller had that ignored", async () => {
    const name = word("told");
    const child = startHook(`sh -c "sleep 1000; : ${name}" & echo here; sleep 1000`, {
      before: "trap '' TERM;",
    });
    await once(child.stderr, "data");
    child.kill();
    assert.deepEqual(await once(child, "close"), [143, null]);
    assert.deepEqual(processes(name), []);
  });

  test("goes on when nobody hears it any more", async () => {
    const child = startHook(`echo here; sleep 0.2; echo there; echo done > ${folder}/unheard`);
    await once(child.stderr, "data");
    child.stderr.destroy();
    assert.deepEqual(await once(child, "close"), [0, null]);
    assert.equal(fs.readFileSync(`${folder}/unheard`, "utf8"), "done\n");
  });

  test("after the backup has some time left when we are told to end, and no more", async () => {
    const undone = startHook(`echo here; sleep 0.2; echo done > ${folder}/undone`, { name: "after" });
    const endless = startHook("echo here; sleep 1000", { name: "after", numbers: { GRACE_SECONDS: 1 } });
    for (const child of [undone, endless]) {
      await once(child.stderr, "data");
      child.kill();
    }
    assert.deepEqual(await once(undone, "close"), [0, null]);
    assert.equal(fs.readFileSync(`${folder}/undone`, "utf8"), "done\n");
    assert.deepEqual(await once(endless, "close"), [124, null]);
  });
});

suite("dumps", () => {
  test("are told of by name, with exit code and size; what they say is their own", async () => {
    const { code, stdout, told } = await dumps({
      a: "echo content; echo words >&2",
      b: "echo half; exit 3",
      c: "kill -KILL $$",
    });
    assert.equal(code, 1);
    assert.ok(stdout.startsWith("PK") && stdout.includes("content\n"));
    assert.deepEqual(told, [
      { dump: "a", says: "words" },
      { dump: "a", code: 0, bytes: 8 },
      { dump: "b", code: 3, bytes: 5 },
      { dump: "c", code: 137, bytes: 0 },
    ]);
  });

  test("are told of now and then, with their size, also while they go on", async () => {
    const { told } = await dumps(
      { slow: "echo 1234; for i in 1 2 3; do sleep 0.1; echo; done" },
      { numbers: { PULSE_SECONDS: 0.1 } },
    );
    assert.ok(
      told.some(({ dump, bytes, code }) => dump === "slow" && Number(bytes) >= 5 && code === undefined),
    );
  });

  test("that are silent for too long are ended and have failed; the next one is made", async () => {
    const name = word("silent");
    const { code, told } = await dumps(
      { hung: `sh -c 'sleep 1000; : ${name}' & wait`, next: "echo next" },
      { numbers: { PULSE_SECONDS: 0.1, SILENT_SECONDS: 0.3 } },
    );
    assert.equal(code, 1);
    assert.deepEqual(
      told.filter((line) => "code" in line),
      [
        { dump: "hung", code: 124, bytes: 0 },
        { dump: "next", code: 0, bytes: 5 },
      ],
    );
    assert.ok(told.some(({ says }) => /^nothing came for /.test(String(says))));
    assert.deepEqual(processes(name), []);
  });

  test("do not begin before what was written is read, and not at all when nobody will read it", async () => {
    const begun = path.join(folder, "begun");
    const child = start(["dumps"], listOf({ a: `touch ${begun}` }), {
      // The reader opens the pipe, reads nothing, and goes.
      before: `mkfifo ${folder}/unread; sleep 0.5 < ${folder}/unread & exec > ${folder}/unread;`,
    });
    const [code] = await once(child, "close");
    assert.equal(code, 141);
    assert.ok(!fs.existsSync(begun));
  });

  test("end with their reader", async () => {
    const name = word("reader");
    const child = start(["dumps"], listOf({ a: `sh -c 'yes; : ${name}'` }));
    await once(child.stdout, "data");
    child.stdout.destroy();
    assert.deepEqual(await once(child, "close"), [141, null]);
    assert.deepEqual(processes(name), []);
  });
});
