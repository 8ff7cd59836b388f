import { after, before, test } from "node:test";
import { cell, succeeds } from "./cell.ts";
import { cut, killBorgpull, powerCut } from "./faults.ts";
import { beforeConnect, whileForwarding } from "./moments.ts";
import { type Job, openStage, type Stage } from "./stage.ts";
import { whole } from "./trust.ts";

let stage: Stage;
let job: Job;

before(async () => {
  stage = await openStage();
  job = await stage.job("web1");
  await succeeds(job);
});
after(() => stage?.[Symbol.asyncDispose]());

// No borg runs yet, on either side.
for (const fault of [killBorgpull, powerCut, cut]) {
  test(`before connecting: ${fault.name}`, async () => {
    const withinSeconds = fault.silent ? 40 : 10;
    await cell(stage, job, { moment: "before connecting", come: beforeConnect, fault, withinSeconds });
  });
  test(`while forwarding: ${fault.name}`, async () => {
    const withinSeconds = fault.silent ? 40 : 10;
    await cell(stage, job, { moment: "while forwarding", come: whileForwarding, fault, withinSeconds });
  });
}

test("and in the end the repository is whole, with every good archive", () => whole(job));
