/**
 * The classic attacks on an append-only repository, with home's filter of requests out of the way: what it prevents, home's records
 * notice by themselves, and a rollback undoes.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Finding } from "../../pull/trust/finding.ts";
import { type HostileVps, hostileVps } from "./hostile.ts";

let vps: HostileVps;
before(async () => {
  vps = await hostileVps();
});
after(() => vps?.[Symbol.asyncDispose]());

/** `a` and `b` are the names of the two good archives; `alone` is an object that only a file of the older one uses. */
const begin = `r = Repository(); a, b = [name.encode() for name in r.names()]
chunks = lambda name: [chunk[0] for item in r.items(name.decode()) for chunk in item.get(b"chunks", ())]
alone = next(id for id in chunks(a) if id not in chunks(b))
`;

const attacks: readonly {
  readonly what: string;
  readonly python: string;
  readonly found: readonly Finding["kind"][];
}[] = [
  {
    what: "borg deletes one archive",
    python: `assert borg("delete", "::" + a.decode()) == 0`,
    found: ["objects-deleted", "archive-vanished"],
  },
  {
    what: "borg prunes all but the youngest, and compacts",
    python: `assert borg("prune", "--keep-last", "1") == 0; borg("compact")`,
    found: ["objects-deleted", "archive-vanished"],
  },
  {
    what: "borg deletes an archive and makes another one of its name",
    python: `assert borg("delete", "::" + a.decode()) == 0 and borg("create", "::" + a.decode(), "/etc/hostname") == 0`,
    found: ["objects-deleted", "archive-vanished", "archive-appeared"],
  },
  {
    what: "an object is deleted that only an old archive uses: no borg list shows it, nor does borg's check of the log",
    python: "r.delete(alone); r.commit()",
    found: ["objects-deleted"],
  },
  {
    what: "such an object is overwritten with rubbish: no borg check shows it that does not read all data",
    python: 'r.put(alone, b"rubbish"); r.commit()',
    found: ["objects-overwritten"],
  },
  {
    what: "the list of archives is deleted",
    python: "r.delete(manifest_id); r.commit()",
    found: ["manifest-deleted", "unreadable"],
  },
  {
    what: "the passphrase of the repository's key is changed",
    python: `assert borg("key", "change-passphrase") == 0`,
    found: ["config-changed"],
  },
];

for (const { what, python, found } of attacks) {
  test(`${what}: noticed by the next run, nothing is removed meanwhile, undone`, async () => {
    await vps.reset();
    const needs = python.includes("r.") ? "" : "r.close()\n";
    await vps.unfiltered(begin + needs + python);
    const { breach } = await vps.pullHonest();
    assert.ok(breach);
    assert.deepEqual(
      vps.ledger((open) => open.openBreaches("web1")[0]?.findings.map(({ kind }) => kind)),
      found,
    );
    await vps.undone();
    assert.equal((await vps.check()).code, 0);
  });
}
