import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { openLedger } from "../../../pull/ledger.ts";
import { fleet } from "../../../pull/status.ts";
import { UserError } from "../../../schema/errors.ts";
import { homePaths } from "../../../schema/paths.ts";
import { day, hour, makeFleetHome, tellRun } from "../../fleet.ts";

const now = Date.now();

/** How web1 stands. */
function standing() {
  using ledger = openLedger(homePaths().stateDb);
  const [member] = fleet(["web1"], ledger, now);
  assert.ok(member?.kind === "job");
  return member.standing;
}

test("a run of when the clock was ahead keeps no alarm back: neither its age nor its outcome counts", () => {
  using home = makeFleetHome();
  home.job("web1");
  home.records((at) => {
    tellRun(at, "web1", now - 3 * day, { outcome: "good" });
    tellRun(at, "web1", now + 400 * day, { outcome: "good" });
  });
  assert.equal(standing().state, "stale");
  home.records((at) => tellRun(at, "web1", now - hour, { outcome: "good" }));
  const { state, lastGood, advice } = standing();
  assert.equal(state, "good");
  assert.ok((lastGood?.ageSeconds ?? 0) > 3000);
  assert.deepEqual(
    advice.map(({ kind }) => kind),
    ["clock", "key"],
  );
});

test("an hour is no difference of clocks", () => {
  using home = makeFleetHome();
  home.job("web1");
  home.records((at) => tellRun(at, "web1", now + hour / 2, { outcome: "good" }));
  assert.deepEqual([standing().state, standing().lastGood?.ageSeconds], ["good", 0]);
});

test("a lock that is no database is held by nobody", () => {
  using home = makeFleetHome();
  home.job("web1");
  home.records((at) => tellRun(at, "web1", now - hour, { outcome: "open" }));
  const lock = homePaths().lock("web1");
  fs.mkdirSync(path.dirname(lock), { recursive: true });
  fs.writeFileSync(lock, "x".repeat(5000));
  assert.equal(standing().lastRun?.outcome, "abandoned");
});

test("records that cannot be read are said of every job that can, with its job file", () => {
  using home = makeFleetHome();
  home.job("web1");
  fs.writeFileSync(homePaths().jobFile("web2"), "{", { mode: 0o600 });
  const [web1, web2] = fleet(["web1", "web2"], new UserError("It is damaged.", "Begin anew."), now);
  assert.ok(web1?.kind === "unreadable" && web2?.kind === "unreadable");
  assert.deepEqual([web1.problem, web1.job?.job, web2.job], ["It is damaged.", "web1", undefined]);
  assert.match(web2.problem, /not JSON/);
});
