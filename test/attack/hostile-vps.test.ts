/** What a hostile VPS can do within the requests of a backup: none of it is prevented, all of it is noticed, and a rollback undoes it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { rollback } from "../../pull/rollback/rollback.ts";
import type { Finding } from "../../pull/trust/finding.ts";
import { harmlessLines } from "./harmless.ts";
import { type HostileVps, hostileVps } from "./hostile.ts";

let vps: HostileVps;
before(async () => {
  vps = await hostileVps();
});
after(() => vps?.[Symbol.asyncDispose]());

interface Attack {
  readonly what: string;
  /** Python; `r` is the repository, `a` and `b` are the names of the two good archives. */
  readonly python: string;
  readonly found: readonly Finding["kind"][];
  /** The next honest pull is looked at too. */
  readonly next?: true;
}

const begin = "hello(); r = Repository(); a, b = [name.encode() for name in r.names()]\n";

/** Each rewrites the list of archives and deletes no object: no request of it is one that a backup does not make. */
const attacks: readonly Attack[] = [
  {
    what: "an archive is taken off the list, beside an honest-looking backup",
    python: "del r.archives[a]; r.backup()",
    found: ["archive-vanished"],
    next: true,
  },
  {
    what: "the list is emptied",
    python: "r.archives.clear(); r.save(); sys.exit(2)",
    found: ["archive-vanished", "archive-vanished"],
  },
  {
    what: "an archive is made again under its name",
    python: "r.archive(a); r.backup()",
    found: ["archive-vanished", "archive-appeared"],
  },
  {
    what: "two archives exchange their names, so that a prune by name would remove the wrong one",
    python: "r.archives[a], r.archives[b] = r.archives[b], r.archives[a]; r.backup()",
    found: ["archive-vanished", "archive-vanished", "archive-appeared", "archive-appeared"],
  },
  {
    what: "an older archive gets a younger one's name besides its own",
    python: 'r.archives[b"spare"] = r.archives[a]; r.archives[a] = r.archives[b]; r.backup()',
    found: ["archive-vanished", "archive-appeared", "archive-appeared"],
  },
  {
    what: "the run's own name is given to an older archive",
    python: 'r.archives[own.encode()] = r.archives[b]; r.save(); report(r.archives[b][b"id"])',
    found: ["archive-appeared"],
  },
  {
    what: "a second archive comes with the run's own",
    python: 'r.archive("web1-spare"); r.backup()',
    found: ["archive-appeared"],
  },
  {
    what: "an archive is called a checkpoint, of nobody or of an older run",
    python: 'r.archive("stranger.checkpoint"); r.archive(a + b".checkpoint.1"); r.backup()',
    found: ["archive-appeared", "archive-appeared"],
  },
  {
    what: "the list of archives is rubbish",
    python: 'r.put(manifest_id, b"rubbish"); r.commit(); sys.exit(2)',
    found: ["unreadable"],
  },
  {
    what: "the list of archives has a wrong signature",
    python:
      "data = r.get(manifest_id); r.put(manifest_id, data[:-1] + bytes([data[-1] ^ 1])); r.commit(); sys.exit(2)",
    found: ["unreadable"],
  },
  {
    what: "the list of archives is unencrypted",
    python: "from borg.crypto.key import PlaintextKey; r.key = PlaintextKey(r); r.save(); sys.exit(2)",
    found: ["unreadable"],
  },
  {
    what: "an entry of the list is no archive",
    python: 'r.archives[b"odd"] = {b"id": b"short", b"time": b"2026-01-01T00:00:00.000000"}; r.backup()',
    found: ["unreadable"],
  },
  {
    what: "borg at home stumbles over an entry and quotes what looks like a full disk of home's",
    python:
      'r.archives[b"odd"] = {b"id": bytes(32), b"time": b"No space left on device\\nOSError: [Errno 28] "}; r.backup()',
    found: ["unreadable"],
  },
  {
    what: "a name of 10 kB",
    python: 'r.archive("x" * 10_000); r.backup()',
    found: ["unreadable"],
  },
  {
    what: "the list is of the last moment that borg can write, so that no later one follows",
    python: 'id = r.archive(own); r.save(timestamp="9999-12-31T23:59:59.999999"); report(id)',
    found: ["unreadable"],
    next: true,
  },
];

for (const { what, python, found, next } of attacks) {
  test(`${what}: noticed, nothing is removed meanwhile, undone`, async () => {
    await vps.reset();
    const { outcome, failure } = await vps.pullHostile(begin + python);
    assert.equal(outcome, "tampered", JSON.stringify(failure));
    assert.deepEqual(vps.found(), found);
    await vps.undone();
    if (!next) return;
    const after = await vps.pullHonest();
    assert.deepEqual([after.outcome, after.breach], ["good", undefined], JSON.stringify(after.failure));
  });
}

test("the command says so with exit code 3, and no name of a hostile archive acts on the terminal", async () => {
  await vps.reset();
  await vps.become(`${begin}
for name in ["new\\nline \\x1b[2J\\x1b]0;title\\x07", b"\\xff\\xfe\\x9b31m", "x" * 255, "\\u202etxt.", "a\\0b", " "]: r.archive(name)
del r.archives[a]; r.backup()`);
  const run = await vps.cli("run", "web1");
  await vps.become(undefined);
  const list = await vps.cli("list", "web1");
  const json = await vps.cli("list", "--json", "--all", "web1");
  const compacted = await vps.cli("compact", "web1");
  const dry = await vps.cli("rollback", "--dry-run", "web1");
  assert.deepEqual([run.code, list.code, json.code, compacted.code, dry.code], [3, 3, 3, 3, 0]);
  for (const { stdout, stderr } of [run, list, json, compacted, dry]) harmlessLines(stdout + stderr);
  const rolledBack = await vps.cli("rollback", "--yes", "web1");
  assert.equal(rolledBack.code, 0, rolledBack.stderr);
  assert.equal((await vps.cli("list", "web1")).code, 0);
  await vps.oldFileComesBack();
});

test("100,000 archives that are none: noticed and undone in bounded time, and told in few words", async () => {
  await vps.reset();
  const began = performance.now();
  const { outcome, failure } = await vps.pullHostile(`${begin}
for number in range(100_000): r.archives[b"web1-%06d" % number] = {b"id": os.urandom(32), b"time": b"2026-01-01T00:00:00.000000"}
r.backup()`);
  assert.equal(outcome, "tampered");
  assert.ok((failure?.problem.length ?? 0) < 2000);
  const { kind } = await rollback(vps.file, { confirm: async (preview) => preview.length < 10_000 });
  assert.equal(kind, "rolled-back");
  assert.ok(performance.now() - began < 90_000);
});
