import { test } from "node:test";
import { cell } from "./cell.ts";
import { cut, killBorgpull, powerCut } from "./faults.ts";
import { beforeConnect, whileForwarding } from "./moments.ts";
import { oneJob } from "./one-job.ts";
import { whole } from "./trust.ts";

const { stage, job } = await oneJob();

// No borg runs yet, on either side.
for (const fault of [killBorgpull, powerCut, cut]) {
  for (const [moment, come] of [
    ["before connecting", beforeConnect],
    ["while forwarding", whileForwarding],
  ] as const) {
    test(`${moment}: ${fault.name}`, () => cell(stage, job, { moment, come, fault }));
  }
}

test("and in the end the repository is whole, with every good archive", () => whole(job));
