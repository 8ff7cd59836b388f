import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { openLedger } from "../../pull/ledger.ts";
import { homePaths } from "../../schema/paths.ts";
import { editJob } from "../e2e/pull-fixture.ts";
import { succeeds } from "./cell.ts";
import { killBorgpull, killServe } from "./faults.ts";
import { clean } from "./left.ts";
import { afterCommit, beforeCommit, comeUpon, inCompact, type Moment } from "./moments.ts";
import { begin, type Job, openStage, type Stage } from "./stage.ts";
import { outcome } from "./table.ts";
import { good, nothingLost, whole } from "./trust.ts";

let stage: Stage;
let job: Job;

before(async () => {
  stage = await openStage();
  job = await stage.job("web1");
  editJob(job.file, (data) => ({ ...data, keep: { yearly: 1 } }));
});
after(() => stage?.[Symbol.asyncDispose]());

const moments: readonly (readonly [string, "prune" | "compact", Moment])[] = [
  ["in prune, before its commit", "prune", beforeCommit("prune")],
  ["in prune, after its commit", "prune", afterCommit("prune")],
  ["in compact, before its commit", "compact", inCompact],
  ["in compact, after its commit", "compact", afterCommit("compact")],
];

for (const [moment, verb, come] of moments) {
  for (const fault of [killBorgpull, killServe]) {
    test(`${moment}: ${fault.name}`, async () => {
      let before = good(job);
      const prepare = async () => {
        await twoGoodArchives();
        if (verb === "compact") await done("prune");
        before = good(job);
      };
      const running = await comeUpon(prepare, () => come(stage, job));
      await fault.strike(stage, job, running);
      const { code } = await running.ended;
      wakeBorg();
      await clean(stage, [job], 10);
      await done(verb);
      const again = good(job);
      await succeeds(job);
      await nothingLost(job, before);
      assert.equal(again.length, 1, "what was to go is gone");
      using ledger = openLedger(homePaths().stateDb);
      assert.deepEqual(ledger.openOperations(job.name), []);
      const said = fault === killBorgpull ? "" : `exit code ${code}; `;
      await outcome(moment, fault.name, `${said}clean in 10 s; ${verb} again and the next run good`);
    });
  }
}

test("and in the end the repository is whole, with every good archive", () => whole(job));

/** The newer stays, the older is to be pruned; each has data of its own, so that there is something to compact. */
async function twoGoodArchives(): Promise<void> {
  for (let archives = 0; archives < 2; archives++) {
    await stage.host.run("head -c 1M /dev/urandom > /srv/changes");
    await succeeds(job);
  }
  await stage.host.run("rm -f /srv/changes");
}

async function done(verb: "prune" | "compact"): Promise<void> {
  const { code, text } = await begin(job, verb).ended;
  assert.equal(code, 0, text);
}

/** borg that was stopped goes on, if it still is. */
function wakeBorg(): void {
  for (const name of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = fs.readFileSync(path.join("/proc", name, "environ"), "utf8");
      if (environment.includes(stage.folder)) process.kill(Number(name), "SIGCONT");
    } catch {
      // it ended
    }
  }
}
