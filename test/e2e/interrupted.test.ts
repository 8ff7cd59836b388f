import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { homePaths } from "../../schema/paths.ts";
import { processesOf } from "./processes.ts";
import { type Ended, openProgram, type Program } from "./program.ts";
import { waitFor } from "./pull-fixture.ts";

let program: Program;
const names = ["web1", "db1"] as const;
const all = { env: { BORGPULL_PULL: "all" } };

before(async () => {
  program = await openProgram([
    { name: "web1", base: "debian12", login: "root" },
    { name: "db1", base: "debian13", login: "admin" },
  ]);
  // Else logind keeps each account's own systemd for ten seconds after the logout.
  await each((name) =>
    program
      .host(name)
      .run(
        "mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\\nUserStopDelaySec=0\\n' > /etc/systemd/logind.conf.d/t.conf; systemctl restart systemd-logind",
      ),
  );
  // lzma,9 takes a minute and more for what `fill` makes: what is to happen in the middle does.
  const job = { paths: ["/etc", "/srv"], compression: "lzma,9", limits: { lockWait: "5s" } };
  await program.configure(Object.fromEntries(names.map((name) => [name, program.entry(name, job)])));
  const { code, out } = await program.up();
  assert.equal(code, 0, out);
});

after(async () => {
  await program?.[Symbol.asyncDispose]();
});

const home = () => homePaths({ ...program.stack.env });
const repository = (name: string) => path.join(program.stack.repositories, name);
const fill = () => each((name) => program.host(name).run("head -c 150M /dev/urandom > /srv/big"));
const empty = () => each((name) => program.host(name).run("rm -f /srv/big"));

const each = <T>(work: (name: string) => Promise<T>): Promise<T[]> => Promise.all(names.map(work));

/** Begins a pull of every host, and returns when the data of each is arriving. */
async function inTheMiddle(begin: () => ChildProcess): Promise<ChildProcess> {
  await fill();
  const size = (name: string) =>
    fs
      .readdirSync(path.join(repository(name), "data"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => fs.statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false })) // borg drops what was cut off
      .reduce((sum, stat) => sum + (stat?.size ?? 0), 0);
  const sizes = new Map(names.map((name) => [name, size(name)]));
  const child = begin();
  await waitFor(
    "data of every pull",
    () => names.every((name) => size(name) > (sizes.get(name) ?? 0) + 2_000_000),
    90,
  );
  assert.equal(child.exitCode, null);
  assert.ok(processesOf(program.stack.folder).length > 3, "the search finds what runs");
  for (const left of await each((name) => leftOnHost(name))) assert.notEqual(left, "");
  return child;
}

/** What a pull leaves on a VPS while it runs: processes, its login, its socket, its lock, borg's locks. */
const leftOnHost = (name: string) =>
  program.host(name).run(`
    ps -eo pid,user,args | grep -E ' borgpull |/usr/local/lib/borgpull|[ /]borg( |$)|sudo|sshd.*@notty|nc -U' | grep -v grep || :
    find /run/borgpull -mindepth 1; ss -xlH | grep /run/borgpull || :
    for lock in /run/borgpull.lock /etc/borgpull/jobs/*; do flock -x -n "$lock" true || echo "locked $lock"; done
    find /var/cache/borgpull -name 'lock.exclusive*' 2>/dev/null || :
    test -z "$(find /run -maxdepth 1 -name 'borgpull-sshd-restore*')" || echo 'restore armed'`);

/** Pulumi's own language host looks only every five minutes whether its engine is still there; it holds nothing. */
const languageHost = /pulumi-language-nodejs[ -].*127\.0\.0\.1:\d+$/;

const leftAtHome = () => [
  ...processesOf(program.stack.folder)
    .map(({ command }) => command)
    .filter((command) => !languageHost.test(command)),
  ...names.flatMap((name) =>
    fs.readdirSync(repository(name)).flatMap((file) => (file.startsWith("lock.exclusive") ? [file] : [])),
  ),
];

/** No process, lock or socket on either side. */
async function nothingRemains(): Promise<void> {
  let left: readonly string[] = [];
  await waitFor(
    "the end of everything",
    async () => {
      left = [...leftAtHome(), ...(await each(leftOnHost))].filter(Boolean);
      return left.length === 0;
    },
    60,
  ).catch((error: Error) => assert.deepEqual(left, [], error.message));
  for (const name of names) lockJob(home().lock(name), name)[Symbol.dispose]();
}

async function nextRunSucceeds(): Promise<void> {
  await empty();
  const { code, out } = await program.up(all);
  assert.equal(code, 0, out);
  using ledger = openLedger(home().stateDb);
  for (const name of names) {
    const [last, interrupted] = ledger.runs(name, 2).map(({ outcome }) => outcome);
    assert.equal(last, "good", out);
    assert.match(`${interrupted}`, /^(failed|abandoned)$/);
  }
}

test("Ctrl-C at the terminal in the middle of two pulls leaves nothing on either side, and the next run succeeds", async () => {
  let shown = "";
  const terminal = await inTheMiddle(() => {
    const command = `exec pulumi up --yes --skip-preview --stack ${program.stack.name}`;
    const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      cwd: path.dirname(program.stack.configFile),
      env: { ...program.stack.env, ...all.env, TERM: "xterm" },
      stdio: "pipe",
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
    });
    return child;
  });
  await waitFor("progress on both rows", () => names.every(() => /pulling .*files/.test(shown)));
  terminal.stdin?.write("\x03");
  const [code] = await once(terminal, "close");
  assert.notEqual(code, 0);
  assert.match(shown, /was cancelled/);
  await nothingRemains();
  await nextRunSucceeds();
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} to the engine alone, the same`, async () => {
    let text = () => "";
    const engine = await inTheMiddle(() => {
      const begun = program.begin(["up", "--yes", "--skip-preview"], all);
      text = begun.text;
      return begun.child;
    });
    engine.kill(signal);
    await once(engine, "close");
    assert.notEqual(engine.exitCode, 0, text());
    await nothingRemains();
    await nextRunSucceeds();
  });
}

test("kill -9 of the engine, the same; the engine's own lock is undone with pulumi cancel", async () => {
  const engine = await inTheMiddle(() => program.begin(["up", "--yes", "--skip-preview"], all).child);
  engine.kill("SIGKILL");
  await nothingRemains();
  const cancel = await program.begin(["cancel", "--yes"]).ended;
  assert.equal(cancel.code, 0, cancel.out);
  await nextRunSucceeds();
});

test("kill -9 of the provider, the same", async () => {
  let ended: Promise<Ended> | undefined;
  await inTheMiddle(() => {
    const engine = program.begin(["up", "--yes", "--skip-preview"], all);
    ended = engine.ended;
    return engine.child;
  });
  // The engine runs two of them: one for what it refreshes, one for what the program declares.
  const providers = processesOf(program.stack.folder).filter(({ command }) =>
    /provider\/main\.ts 127/.test(command),
  );
  assert.ok(providers.length > 0);
  for (const { pid } of providers) process.kill(pid, "SIGKILL");
  assert.notEqual((await ended)?.code, 0);
  await nothingRemains();
  await nextRunSucceeds();
});
