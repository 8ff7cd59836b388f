import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ArchiveRecord } from "../../../pull/ledger.ts";
import type { SegmentAudit } from "../../../pull/segments.ts";
import { type GateFacts, judge } from "../../../pull/trust/judge.ts";
import { addUp } from "../../../pull/trust/log.ts";

const id = (text: string) => Buffer.from(text.padEnd(32)).toString("hex").slice(0, 64);
const archive = (name: string) => ({ id: id(name), name });
const known = (name: string): ArchiveRecord => ({ ...archive(name), trust: "good", seen: 1 });
const clean: SegmentAudit = {
  after: 3,
  upTo: 7,
  puts: 10,
  deletes: 0,
  bytes: 1000,
  deleted: 0,
  overwritten: 0,
  examples: [],
  manifest: "written",
};
const quiet: GateFacts = {
  job: "web1",
  config: "same",
  known: [known("web1-run-0001")],
  listed: [archive("web1-run-0001")],
  runs: [],
  removing: new Set(),
  segments: clean,
};
const kinds = (facts: GateFacts) => judge(facts).findings.map(({ kind }) => kind);

test("a session that left everything alone and added the archive of its run is no finding; the archive is yet to be checked", () => {
  const made = archive("web1-run-0002");
  const { findings, appeared, gone } = judge({
    ...quiet,
    listed: [...quiet.known, made],
    runs: ["run-0002"],
  });
  assert.deepEqual({ findings, gone }, { findings: [], gone: [] });
  assert.deepEqual(appeared, [{ ...made, run: "run-0002", trust: "unconfirmed" }]);
});

test("a checkpoint of a run that was interrupted is partial", () => {
  for (const suffix of [".checkpoint", ".checkpoint.1", ".checkpoint.27"]) {
    const made = archive(`web1-run-0002${suffix}`);
    const { findings, appeared } = judge({ ...quiet, listed: [...quiet.known, made], runs: ["run-0002"] });
    assert.deepEqual(findings, []);
    assert.deepEqual(appeared, [{ ...made, run: "run-0002", trust: "partial" }]);
  }
});

test("any other archive that appears is foreign", () => {
  const names = [
    "web1-run-0001.checkpoint", // of a run that a gate has looked at
    "web1-run-0002.checkpoint.x",
    "web1-run-0002.checkpoint\n",
    "web1-run-0002.checkpoint x.checkpoint",
    "web1-run-0002.checkpoint.1.checkpoint",
    "web1-run-00022",
    "web1-run-0002 ",
    "web1-run-0003",
    "db1-run-0002",
    "run-0002",
    "x.checkpoint",
    "",
  ];
  for (const name of names) {
    const facts = { ...quiet, listed: [...quiet.known, archive(name)], runs: ["run-0002"] };
    assert.deepEqual(kinds(facts), ["archive-appeared"], JSON.stringify(name));
  }
});

test("an archive that was deleted and made again under its name has vanished, and a foreign one has appeared", () => {
  const again = { id: id("other"), name: "web1-run-0001" };
  assert.deepEqual(kinds({ ...quiet, listed: [again] }), ["archive-vanished", "archive-appeared"]);
});

test("names that were exchanged, given to another archive or given twice are findings: borg removes and restores by name", () => {
  const [a, b] = [known("web1-run-0001"), known("web1-run-0002")];
  const called = ({ id }: { readonly id: string }, name: string) => ({ id, name });
  const lists: readonly (readonly [readonly { readonly id: string; readonly name: string }[], number])[] = [
    [[called(a, b.name), called(b, a.name)], 4],
    [[called(a, "other"), b], 2],
    [[a, b, called(a, "other")], 1],
    [[called(b, a.name), b, called(a, "other")], 3],
    [[a, b, called(b, "web1-run-0003")], 1],
    [[a, b, archive("web1-run-0003"), called(archive("web1-run-0003"), "web1-run-0003.checkpoint")], 1],
  ];
  for (const [listed, count] of lists) {
    const { findings, gone } = judge({ ...quiet, known: [a, b], listed, runs: ["run-0003"] });
    assert.equal(findings.length, count, JSON.stringify(findings));
    assert.deepEqual(gone, []);
  }
});

test("what home was removing may be gone, and nothing else", () => {
  const two = [known("web1-run-0001"), known("web1-run-0002")];
  const facts = { ...quiet, known: two, listed: [], segments: undefined };
  const { findings, gone } = judge({ ...facts, removing: new Set([id("web1-run-0001")]) });
  assert.deepEqual(gone, [
    { id: id("web1-run-0001"), why: "pruned" },
    { id: id("web1-run-0002"), why: "vanished" },
  ]);
  assert.deepEqual(findings, [{ kind: "archive-vanished", ...archive("web1-run-0002") }]);
});

test("each record speaks for itself", () => {
  const cases: readonly (readonly [Partial<GateFacts>, readonly string[]])[] = [
    [{ segments: { ...clean, deleted: 2 } }, ["objects-deleted"]],
    [{ segments: { ...clean, overwritten: 2 } }, ["objects-overwritten"]],
    [{ segments: { ...clean, manifest: "deleted" } }, ["manifest-deleted"]],
    [{ segments: { ...clean, damage: "a segment is missing" } }, ["log-damaged"]],
    [{ listed: { unreadable: "Integrity error" } }, ["unreadable"]],
    [{ config: "changed", listed: undefined }, ["config-changed"]],
    [{ forbidden: { method: "destroy", reason: "never" } }, ["forbidden-request"]],
  ];
  for (const [change, expected] of cases) assert.deepEqual(kinds({ ...quiet, ...change }), expected);
});

test("whatever is listed: what is known and not listed is a finding, what is listed and not known is recorded", () => {
  const names = fc.uniqueArray(fc.constantFrom(..."abcdefgh"), { maxLength: 8 });
  fc.assert(
    fc.property(names, names, (before, after) => {
      const { findings, appeared, gone } = judge({
        ...quiet,
        known: before.map(known),
        listed: after.map(archive),
      });
      const lost = before.filter((name) => !after.includes(name));
      const added = after.filter((name) => !before.includes(name));
      assert.deepEqual(new Set(gone.map((each) => each.id)), new Set(lost.map(id)));
      assert.deepEqual(new Set(appeared.map(({ name }) => name)), new Set(added));
      assert.equal(findings.length, lost.length + added.length);
    }),
  );
});

test("an index that does not follow from the log is damage; one that nobody counted is not", () => {
  const audit = { ...clean, puts: 12, deletes: 2 };
  assert.equal(addUp(audit, 5, 15).damage, undefined);
  assert.match(addUp(audit, 5, 1).damage ?? "", /has 1 objects where the log leads to 15/);
  assert.match(addUp(audit, 5, 16).damage ?? "", /has 16 objects/);
  assert.deepEqual([addUp(audit, undefined, 1), addUp(audit, 5, undefined)], [audit, audit]);
  assert.equal(addUp({ ...audit, damage: "before" }, 5, 1).damage, "before");
});
