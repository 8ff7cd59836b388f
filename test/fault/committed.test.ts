import { after, before, test } from "node:test";
import { cell, succeeds } from "./cell.ts";
import { all } from "./faults.ts";
import { committed } from "./moments.ts";
import { type Job, openStage, type Stage } from "./stage.ts";
import { whole } from "./trust.ts";

const moment = "between borg's end and home's record";

let stage: Stage;
let job: Job;

before(async () => {
  stage = await openStage();
  job = await stage.job("web1");
  await succeeds(job);
});
after(() => stage?.[Symbol.asyncDispose]());

for (const fault of all) {
  test(`${moment}: ${fault.name}`, async () => {
    await cell(stage, job, { moment, come: committed, fault, withinSeconds: fault.silent ? 40 : 10 });
  });
}

test("and in the end the repository is whole, with every good archive", () => whole(job));
