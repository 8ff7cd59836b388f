import assert from "node:assert/strict";
import { test } from "node:test";
import { type Candidate, choose, distrust, parseWanted } from "../../../pull/restore/choose.ts";

const day = (n: number, hour = 3): number => new Date(2026, 10, n, hour).getTime();

const candidate = (n: number, trust: Candidate["trust"] = "good"): Candidate => ({
  id: `${n}`.repeat(64),
  name: `web1-2026110${n}t030000z-abc${n}`,
  run: `2026110${n}t030000z-abc${n}`,
  trust,
  started: day(n),
});
const all = [
  candidate(2),
  candidate(1),
  candidate(4, "unconfirmed"),
  candidate(3),
  { ...candidate(5, "foreign") },
];

const chosen = (text: string | undefined, candidates = all) =>
  choose("web1", candidates, parseWanted(text), day(30)).name;

test("latest, and nothing said, is the newest good archive, however many that are not good came later", () => {
  assert.equal(chosen(undefined), candidate(3).name);
  assert.equal(chosen("latest"), candidate(3).name);
});

test("a date is the newest good one whose run began by then; a day means its end, a minute its end", () => {
  assert.equal(chosen("2026-11-02"), candidate(2).name);
  assert.equal(chosen("2026-11-02T02:59"), candidate(1).name);
  assert.equal(chosen("2026-11-02 03:00"), candidate(2).name);
  assert.equal(chosen("2026-11-02T02:59:59"), candidate(1).name);
  assert.equal(chosen("2027-01-01"), candidate(3).name);
  assert.throws(() => chosen("2026-10-31"), {
    name: "UserError",
    message: /as old as that\. The oldest one is of 2026-11-01/,
  });
});

test("one of a time to come was made while a clock was wrong: it is the newest only where there is no other", () => {
  const ahead: Candidate = { ...candidate(6), name: "ahead", started: new Date(2036, 0, 1).getTime() };
  assert.equal(chosen("latest", [...all, ahead]), candidate(3).name);
  assert.equal(chosen("latest", [ahead]), "ahead");
});

test("a date before home's records names what is older than they are", () => {
  const older = { ...candidate(7, "before-us"), started: undefined } as unknown as Candidate;
  assert.throws(() => chosen("2026-10-31", [...all, older]), {
    message: /1 more are from before home's records/,
  });
});

test("a date that is none is refused", () => {
  for (const text of ["2026-02-30", "2026-13-01", "2026-00-10", "2026-11-01T24:30", "2026-11-01T10:60"]) {
    assert.throws(() => parseWanted(text), { name: "UserError" }, text);
  }
});

test("a name, or the beginning of a name, run or id that only one has, is taken whatever its trust", () => {
  assert.equal(chosen(candidate(4).name), candidate(4).name);
  assert.equal(chosen("web1-20261105"), candidate(5).name);
  assert.equal(chosen("20261101t"), candidate(1).name);
  assert.equal(chosen("2222"), candidate(2).name);
  assert.throws(() => chosen("web1-"), { message: /5 archives of web1 begin with "web1-"/ });
  assert.throws(() => chosen("222x"), { message: /has no archive "222x"/ });
  assert.throws(() => chosen(""), { message: /has no archive ""/ });
  assert.throws(() => chosen("\x1b[2J"), { message: /has no archive "\[2J"/ });
});

test("a whole name wins over longer ones that begin with it", () => {
  const checkpoint = {
    ...candidate(1, "partial"),
    id: "9".repeat(64),
    name: `${candidate(1).name}.checkpoint`,
  };
  assert.equal(choose("web1", [...all, checkpoint], parseWanted(candidate(1).name)).name, candidate(1).name);
});

test("without a good one there is no latest, and a person is told what there is", () => {
  assert.throws(() => choose("web1", [candidate(4, "before-us")], { kind: "latest" }), {
    message:
      /No good archive of web1 is known \(1 of another kind\)\. Give the name of one: the last is web1-20261104/,
  });
  assert.throws(() => choose("web1", [], { kind: "latest" }), { message: /borgpull run web1/ });
});

test("what home, or the person, has not made is not to be relied on, and each for its own reason", () => {
  const reasons = (["foreign", "unconfirmed", "partial", "unseen"] as const).map((trust) =>
    distrust(candidate(1, trust)),
  );
  assert.equal(new Set(reasons).size, 4);
  assert.ok(reasons.every((reason) => reason?.startsWith("web1-20261101")));
  for (const trust of ["good", "before-us", "attended"] as const)
    assert.equal(distrust(candidate(1, trust)), undefined);
});
