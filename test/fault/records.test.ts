import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, test } from "node:test";
import { homePaths } from "../../schema/paths.ts";
import { succeeds } from "./cell.ts";
import { begin, type Job, openStage, type Stage } from "./stage.ts";
import { outcome } from "./table.ts";
import { archives, extracts, good, noAlarm, whole } from "./trust.ts";

let stage: Stage;
let job: Job;

before(async () => {
  stage = await openStage();
  job = await stage.job("web1");
});
after(() => stage?.[Symbol.asyncDispose]());

const file = () => homePaths().stateDb;

interface Damage {
  readonly row: string;
  readonly damage: () => void;
  /** The run says so, and what to do. */
  readonly refused: boolean;
}

const damages: readonly Damage[] = [
  {
    row: "state.db lost",
    damage: () => fs.rmSync(file()),
    refused: false,
  },
  {
    row: "state.db truncated to nothing",
    damage: () => fs.truncateSync(file(), 0),
    refused: false,
  },
  {
    row: "state.db truncated to its half",
    damage: () => fs.truncateSync(file(), Math.floor(fs.statSync(file()).size / 2)),
    refused: true,
  },
  {
    row: "state.db overwritten with garbage",
    damage: () => fs.writeFileSync(file(), "garbage ".repeat(10_000)),
    refused: true,
  },
];

for (const { row, damage, refused } of damages) {
  test(row, async () => {
    await succeeds(job);
    const kept = good(job);
    damage();
    if (refused) {
      const { code, text } = await begin(job).ended;
      assert.equal(code, 2, text);
      assert.match(text, /is damaged.*mv .*state\.db .*\.damaged/s);
      // What the sentence says.
      for (const name of [file(), `${file()}-wal`, `${file()}-shm`]) {
        if (fs.existsSync(name)) fs.renameSync(name, name.replace("state.db", "state.db.damaged"));
      }
    }
    await succeeds(job);
    const trusts = new Map(archives(job.repository).map(({ id, trust }) => [id, trust]));
    assert.deepEqual(
      kept.map(({ id }) => trusts.get(id)),
      kept.map(() => "before-us"),
    );
    await extracts(job, kept);
    noAlarm();
    await outcome(row, "the run", refused ? "does not begin, and says why" : "good");
    const then = "every archive is there, those of before count as from before";
    await outcome(row, "afterwards", refused ? `move it aside, run again: good; ${then}` : then);
  });
}

test("an older copy of state.db is put back: the runs that it does not know are strangers, until a person says otherwise", async () => {
  const row = "an older copy of state.db put back";
  await succeeds(job);
  fs.copyFileSync(file(), `${file()}.copy`);
  await succeeds(job);
  fs.renameSync(`${file()}.copy`, file());
  const { code, text } = await begin(job).ended;
  assert.equal(code, 3, text);
  assert.match(text, /while no run of ours was recorded\): archive \S+ has appeared.*borgpull accept web1/s);
  const accepted = await begin(job, "accept", "--yes").ended;
  assert.equal(accepted.code, 0, accepted.text);
  await succeeds(job);
  await outcome(row, "the run", "good, and an alarm: archives of unknown runs");
  await outcome(row, "afterwards", "borgpull accept, run again: good");
});

test("and in the end the repository is whole, with every good archive", () => whole(job));
