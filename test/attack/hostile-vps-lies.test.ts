/** What a hostile VPS can make of its own backups: it is not believed, and what was good before stays good. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accept } from "../../pull/rollback/accept.ts";
import { rollback } from "../../pull/rollback/rollback.ts";
import { harmlessLines } from "./harmless.ts";
import { type HostileVps, hostileVps } from "./hostile.ts";

let vps: HostileVps;
before(async () => {
  vps = await hostileVps();
});
after(() => vps?.[Symbol.asyncDispose]());

const begin = "hello(); r = Repository(); a, b, *_ = r.names()\n";

/** Back to the state after the younger good run, and on from there. */
async function undoneByHand(): Promise<void> {
  const [, to] = vps.good.map((name) => name.slice("web1-".length));
  const result = await rollback(vps.file, { to, confirm: async () => true });
  assert.ok(result.kind === "rolled-back" && !result.problem && !result.warning, JSON.stringify(result));
  await vps.oldFileComesBack();
  const next = await vps.pullHonest();
  assert.equal(next.outcome, "good", JSON.stringify(next.failure));
}

interface Lie {
  readonly what: string;
  readonly python: string;
  readonly problem: RegExp;
}

const lies: readonly Lie[] = [
  { what: "a backup that was none", python: "report(bytes(32))", problem: /has no archive web1-/ },
  {
    what: "an older archive as its own",
    python: 'report(r.archives[b.encode()][b"id"], b)',
    problem: /has no archive web1-/,
  },
  {
    what: "another id than its archive has",
    python: "r.archive(own); r.save(); report(bytes(32))",
    problem: /is another one than/,
  },
  {
    what: "another name than its archive has",
    python: "id = r.archive(own); r.save(); report(id, a)",
    problem: /is another one than/,
  },
  {
    what: "a report that is no JSON",
    python: "r.archive(own); r.save(); print('{\"archive\": ')",
    problem: /not which archive it is/,
  },
  {
    what: "a report of other shapes",
    python: 'r.archive(own); r.save(); print(json.dumps({"archive": [1, {"id": None}]}))',
    problem: /not which archive it is/,
  },
];

for (const { what, python, problem } of lies) {
  test(`${what}: the run failed, and what counts as good is what home's own borg has found whole`, async () => {
    await vps.reset();
    const { outcome, failure } = await vps.pullHostile(begin + python);
    assert.deepEqual([outcome, failure?.kind], ["failed", "not-verified"]);
    assert.match(failure?.problem ?? "", problem);
    const last = vps.ledger((open) => open.lastGood("web1"))?.archive?.name ?? "";
    assert.ok((await vps.archives()).includes(last));
  });
}

/** With each of these the next honest pull may fail, since borg there reads all archives; going back to the last good run cures it. */
const broken: readonly { readonly what: string; readonly python: string; readonly problem: RegExp }[] = [
  {
    what: "lacks the list of its files",
    python: "r.backup(items=(bytes(31) + b'x',))",
    problem: /item metadata chunk missing/,
  },
  {
    what: "is of a version that borg's check stumbles over",
    python: "r.backup(version=2)",
    problem: /Unknown archive metadata version/,
  },
  {
    what: "lacks a file's data, and whose file has a name for a terminal to obey",
    python: `from borg.item import Item
item = Item(path="\\x1b[2J\\x1b]0;title\\x07\\r\\n", mode=0o100644, uid=0, gid=0, user="root", group="root", mtime=0, size=1, chunks=[(b"x" * 32, 1, 1)])
r.backup(items=(r.store(msgpack.packb(item.as_dict())),))`,
    problem: /missing file chunk/,
  },
];

for (const { what, python, problem } of broken) {
  test(`an archive of the run's name that ${what}: not good, and a person can undo it`, async () => {
    await vps.reset();
    const { outcome, failure, archive } = await vps.pullHostile(begin + python);
    assert.deepEqual([outcome, failure?.kind], ["failed", "not-verified"]);
    assert.match(failure?.problem ?? "", problem);
    harmlessLines(failure?.problem ?? "");
    assert.equal(vps.trust()[archive?.name ?? ""], "unconfirmed");
    await undoneByHand();
  });
}

test("checkpoints of the run's own that are none, any number of them: never good, and a person can undo it", async () => {
  await vps.reset();
  await vps.pullHostile(`${begin}
for number in range(300): r.archives[f"{own}.checkpoint.{number}".encode()] = {b"id": os.urandom(32), b"time": b"2026-01-01T00:00:00.000000"}
r.backup()`);
  const counts = Object.groupBy(Object.values(vps.trust()), (trust) => trust);
  assert.equal(counts.partial?.length, 300);
  await undoneByHand();
});

test("an archive called like an older run that failed is nobody's", async () => {
  await vps.reset();
  const { run } = await vps.pullHostile("sys.exit(2)");
  const { outcome } = await vps.pullHostile(`${begin}r.archive("web1-${run}"); r.backup()`);
  assert.equal(outcome, "tampered");
  assert.deepEqual(vps.found(), ["archive-appeared"]);
  assert.equal(vps.trust()[`web1-${run}`], "foreign");
});

test("an archive of the year 2099 is as old as its run: retention goes by home's clock, and the right archive is checked", async () => {
  await vps.reset();
  const future = await vps.pullHostile(`${begin}r.backup(time="2099-01-01T00:00:00.000000")`);
  const honest = await vps.pullHonest();
  assert.deepEqual([future.outcome, honest.outcome], ["good", "good"], JSON.stringify(honest.failure));
  assert.equal(vps.trust()[honest.archive?.name ?? ""], "good");
  assert.deepEqual((await vps.plan({ daily: 1 })).stays, [honest.archive?.name]);
});

test("archives that no run of ours made push no good one out, even when they are accepted", async () => {
  await vps.reset();
  await vps.pullHostile(`${begin}
for day in range(1, 29): r.archive(f"web1-{day}", time=f"2099-01-{day:02}T00:00:00.000000")
r.backup()`);
  assert.deepEqual(new Set(vps.found()), new Set(["archive-appeared"]));
  await accept(vps.file, { confirm: async () => true });
  const honest = await vps.pullHonest();
  assert.equal(honest.outcome, "good", JSON.stringify(honest.failure));
  const { goes, stays } = await vps.plan({ daily: 1 });
  assert.deepEqual(new Set(goes), new Set(vps.good));
  assert.ok(stays.includes(honest.archive?.name ?? ""));
});

test("objects that no archive uses cost room, and keep no later rollback from its end", async () => {
  await vps.reset();
  const before = vps.dataBytes();
  const rubbish = await vps.pullHostile(`${begin}
for number in range(20): r.put(os.urandom(32), os.urandom(100_000))
r.backup()`);
  assert.equal(rubbish.outcome, "good", JSON.stringify(rubbish.failure));
  assert.ok(vps.dataBytes() > before + 2_000_000);
  const { outcome } = await vps.pullHostile(`${begin}r.archives.clear(); r.save(); sys.exit(2)`);
  assert.equal(outcome, "tampered");
  const result = await rollback(vps.file, { confirm: async () => true });
  assert.ok(result.kind === "rolled-back" && !result.problem, JSON.stringify(result));
  assert.deepEqual(vps.found(), []);
});

test("rubbish under the id of what comes later spoils no later backup unnoticed, and a person can undo it", async () => {
  await vps.reset();
  const poisoned = await vps.pullHostile(`${begin}
r.put(r.key.id_hash(b"a page of tomorrow\\n"), b"rubbish"); r.backup()`);
  assert.equal(poisoned.outcome, "good", JSON.stringify(poisoned.failure));
  await vps.host.run("echo 'a page of tomorrow' > /srv/web/tomorrow");
  const spoiled = await vps.pullHonest();
  assert.deepEqual([spoiled.outcome, spoiled.failure?.kind], ["failed", "not-verified"]);
  assert.match(spoiled.failure?.problem ?? "", /integrity/i);
  await undoneByHand();
  await vps.host.run("rm /srv/web/tomorrow");
});

test("rubbish that the hostile archive itself refers to is seen by borg check --verify-data alone", async () => {
  await vps.reset();
  const poisoned = await vps.pullHostile(`${begin}
from borg.item import Item
id = r.key.id_hash(b"a page of tomorrow\\n"); r.put(id, b"rubbish")
item = Item(path="srv/web/tomorrow", mode=0o100644, uid=0, gid=0, user="root", group="root", mtime=0, size=19, chunks=[(id, 19, 7)])
r.backup(items=(r.store(msgpack.packb(item.as_dict())),))`);
  assert.equal(poisoned.outcome, "good", JSON.stringify(poisoned.failure));
  const { code, stderr } = await vps.check();
  assert.equal(code, 1);
  assert.match(stderr, /integrity error/i);
});
