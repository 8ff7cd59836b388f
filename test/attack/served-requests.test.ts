/** What the forwarded socket answers to a hostile VPS: the requests of a backup and no other. Nothing of the repository changes. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { restoreFile } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { rollback } from "../../pull/rollback/rollback.ts";
import { runJob } from "../../pull/run.ts";
import { attempt, command } from "../../sandbox/command.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { makeJob } from "../e2e/pull-fixture.ts";
import { addJob } from "./furnished.ts";
import { type HostileVps, hostileVps } from "./hostile.ts";
import { hostileScript } from "./hostile-side.ts";

let vps: HostileVps;
/** Another repository of home's, and the link by which borg serve would find it. */
let other: string;

before(async () => {
  vps = await hostileVps();
  other = readJobFile(await makeJob({ folder: vps.folder }, vps.host, "other")).repository;
  const links = path.join(homePaths().state, "serve");
  fs.mkdirSync(path.join(links, "other"));
  fs.symlinkSync(other, path.join(links, "other/other"));
  fs.symlinkSync(other, path.join(links, "web1/link"));
  await vps.host.run(`printf %s ${other} > /srv/other; printf %s ${vps.job.repository} > /srv/own`);
});
after(() => vps?.[Symbol.asyncDispose]());

interface Request {
  readonly what: string;
  readonly python: string;
  /** As home names it. */
  readonly method: string;
}

const opened = "r = Repository(); a, b = [name.encode() for name in r.names()]\n";
const opening = (path: string, more = "") =>
  `l = Link(hello=False); l.call("negotiate", client_data={b"client_version": (1, 2, 4)})
l.call("open", path=${path}, lock_wait=1, lock=True, exclusive=True${more})`;

const refused: readonly Request[] = [
  // The VPS's own borg.
  { what: "borg delete of an archive", python: 'borg("delete", "::" + sys.argv[2])', method: "delete" },
  { what: "borg prune of all", python: 'borg("prune", "--keep-last", "1")', method: "delete" },
  { what: "borg rename", python: 'borg("rename", "::" + sys.argv[2], "spare")', method: "delete" },
  { what: "borg compact", python: 'borg("compact")', method: "commit" },
  { what: "borg delete of the repository", python: 'borg("delete", "--force")', method: "destroy" },
  { what: "borg key change-passphrase", python: 'borg("key", "change-passphrase")', method: "open" },
  { what: "borg break-lock", python: 'borg("break-lock")', method: "open" },
  { what: "borg check --repair", python: 'borg("check", "--repair")', method: "check" },
  // What no borg sends.
  {
    what: "to put another key into the repository",
    python: `${opened}r.call("save_key", keydata=b"none")`,
    method: "save_key",
  },
  {
    what: "to delete an object of an old archive",
    python: `${opened}r.delete(r.metadata(a.decode())["items"][0])`,
    method: "delete",
  },
  { what: "to delete the list of archives", python: `${opened}r.delete(manifest_id)`, method: "delete" },
  { what: "to break the lock of its own run", python: `${opened}r.call("break_lock")`, method: "break_lock" },
  {
    what: "to compact with a commit",
    python: `${opened}r.put(b"x" * 32, b""); r.call("commit", compact=True)`,
    method: "commit",
  },
  { what: "to delete the repository", python: `${opened}r.call("destroy")`, method: "destroy" },
  {
    what: "to delete the repository, opened so that borg forgets append-only",
    python: `try: ${opening('"/./web1"', ", create=True, append_only=False").replace("\n", "; ")}
except Refused: pass
l.call("destroy")`,
    method: "open",
  },
  {
    what: "to open it twice",
    python: `${opened}r.call("open", path="/./web1", lock=True, exclusive=True)`,
    method: "open",
  },
  { what: "another repository by ..", python: opening('"/./../other/other"'), method: "open" },
  { what: "another repository by a link", python: opening('"/./link"'), method: "open" },
  {
    what: "another repository by its path",
    python: `${opening("open('/srv/other').read()")}`,
    method: "open",
  },
  { what: "its own repository by its path", python: `${opening("open('/srv/own').read()")}`, method: "open" },
  {
    what: "to use up all nonces",
    python: `${opened}r.commit_nonce_reservation(2 ** 63 - 1, r.get_free_nonce())`,
    method: "commit_nonce_reservation",
  },
  {
    what: "to take nonces back",
    python: `${opened}r.commit_nonce_reservation(0, r.get_free_nonce())`,
    method: "commit_nonce_reservation",
  },
  {
    what: "borg serve's own debugging",
    python: `${opened}r.call("inject_exception", kind=b"divide")`,
    method: "inject_exception",
  },
  { what: "before it has said hello", python: 'Link(hello=False).call("destroy")', method: "destroy" },
  {
    what: "with a hello of borg 1.0",
    python: 'Link(hello=False).call("negotiate", client_data=2)',
    method: "negotiate",
  },
  {
    what: "in the form of borg 1.0",
    python: 'l = Link(hello=False); l.socket.sendall(msgpack.packb((1, 1, b"destroy", ()))); l.receive()',
    method: "?",
  },
  {
    what: "with what is no request",
    python: 'l = Link(hello=False); l.socket.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); l.receive()',
    method: "?",
  },
  { what: "with a request of 1 GB", python: `${opened}r.put(b"x" * 32, bytes(1 << 30))`, method: "?" },
];

for (const { what, python, method } of refused) {
  test(`asked ${what}: refused, recorded, and nothing has changed`, async () => {
    const { outcome, breach } = await vps.pullHostile(
      `hello(); sys.argv[1:] = ["web1", "${vps.good[0]}"]\n${python}`,
    );
    assert.equal(outcome, "tampered");
    assert.ok(breach);
    const finding = vps.ledger((open) => open.openBreaches("web1").at(-1)?.findings);
    assert.deepEqual(
      finding?.map((each) => (each.kind === "forbidden-request" ? each.method : each)),
      [method],
    );
    assert.deepEqual(vps.changed(), []);
  });
}

test("when all of this was refused, backups go on, a rollback has nothing to undo, and all data is whole", async () => {
  const honest = await vps.pullHonest();
  assert.equal(honest.outcome, "good", JSON.stringify(honest.failure));
  const result = await rollback(vps.file, { confirm: async () => true });
  assert.ok(result.kind === "rolled-back" && !result.problem, JSON.stringify(result));
  assert.deepEqual(await vps.archives(), [...vps.good, honest.archive?.name]);
  assert.deepEqual(vps.found(), []);
  await vps.oldFileComesBack();
  assert.equal((await vps.check()).code, 0);
});

test("an object of an old archive that is put again, as rubbish: what was there stays", async () => {
  await vps.reset();
  const { warnings } = await vps.pullHostile(
    `hello(); ${opened}r.put(r.metadata(a.decode())["items"][0], b"rubbish"); r.backup()`,
  );
  assert.match(warnings.join(), /1 object/);
  await vps.oldFileComesBack();
  assert.equal((await vps.check()).code, 0);
});

test("as many nonces as a session may take: the next backup has enough", async () => {
  await vps.reset();
  await vps.pullHostile(`hello(); ${opened}
free = r.get_free_nonce(); r.commit_nonce_reservation(int.from_bytes(free, "big") + 2 ** 44 if isinstance(free, bytes) else free + 2 ** 44, free); sys.exit(2)`);
  const honest = await vps.pullHonest();
  assert.equal(honest.outcome, "good", JSON.stringify(honest.failure));
});

test("a second connection beside the first, and one after it: refused and told of", async () => {
  await vps.reset();
  const { outcome, warnings } = await vps.pullHostile(`hello(); ${opened}
def second():
    try: return Link()
    except (EOFError, OSError): return None
assert second() is None; r.backup(); r.close(); assert second() is None`);
  assert.equal(outcome, "warning");
  assert.match(warnings.join(), /2 more connection/);
});

/** A job whose repository is on this file system. */
async function smallJob(job: string, limits: Partial<JobFile["limits"]> = {}) {
  const file = await makeJob({ folder: vps.folder }, vps.host, job, limits);
  await addJob(vps.host, job, path.dirname(homePaths().pullKey(job)), { paths: ["/srv/web"] });
  await hostileScript(vps.host, job, undefined);
  const first = await runJob(file);
  assert.equal(first.outcome, "good", JSON.stringify(first.failure));
  return { file, job: readJobFile(file), first };
}

/** Goes on after any error, until home hangs up. */
const flood = (commits: boolean) => `hello(); r = Repository()
block = os.urandom(1 << 18)
while True:
    for call in [lambda: r.put(os.urandom(32), block)${commits ? ", r.commit" : ""}]:
        try: call()
        except Refused as error: print(error, file=sys.stderr)`;

test("more than the disk holds: the run ends, what was there stays, and what was not committed makes room again", async () => {
  const repository = path.join(vps.folder, "repositories/full");
  fs.mkdirSync(repository, { recursive: true });
  await command(["mount", "-t", "tmpfs", "-o", "size=160m,mode=700", "tmpfs", repository]);
  try {
    const { file, job, first } = await smallJob("full", { totalSeconds: 60 });
    const fill = async (commits: boolean) => {
      await hostileScript(vps.host, "full", flood(commits));
      const { outcome, failure } = await runJob(file);
      assert.deepEqual([outcome, failure?.kind], ["failed", "disk-full-home"]);
      const { bavail, blocks } = fs.statfsSync(repository);
      assert.ok(bavail > blocks / 100, `${bavail} of ${blocks} blocks are free`);
      const to = fs.mkdtempSync(path.join(vps.folder, "restored-"));
      await restoreFile({ ...job, archive: first.archive?.name ?? "", path: "/srv/web/page", to });
      await hostileScript(vps.host, "full", undefined);
    };
    await fill(false);
    const next = await runJob(file);
    assert.equal(next.outcome, "good", JSON.stringify(next.failure));
    // What it commits stays, until a person goes back and removes what was moved aside.
    await fill(true);
    assert.equal((await runJob(file)).failure?.kind, "disk-full-home");
    const back = await rollback(file, { to: next.run, confirm: async () => true });
    assert.ok(back.kind === "rolled-back" && !back.problem, JSON.stringify(back));
    fs.rmSync(back.aside, { recursive: true });
    assert.equal((await runJob(file)).outcome, "good");
  } finally {
    await command(["umount", repository]);
  }
});

test("more than the quota: the run ends soon after it", async () => {
  const quotaBytes = 20_000_000;
  const { file, job } = await smallJob("quota", { quotaBytes });
  await hostileScript(vps.host, "quota", flood(false));
  const { failure } = await runJob(file);
  assert.equal(failure?.kind, "disk-full-home");
  const { stdout } = await attempt(["du", "-sb", job.repository]);
  assert.ok(Number.parseInt(stdout, 10) < quotaBytes + 80_000_000, stdout);
});
