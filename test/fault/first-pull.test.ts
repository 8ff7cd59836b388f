import { after, before, test } from "node:test";
import { vpsPaths } from "../../schema/paths.ts";
import { settings } from "../e2e/pull-fixture.ts";
import { cell } from "./cell.ts";
import { all } from "./faults.ts";
import { committed } from "./moments.ts";
import { openStage, type Stage } from "./stage.ts";
import { whole } from "./trust.ts";

const moment = "in the first pull, after a checkpoint";

let stage: Stage;

before(async () => {
  stage = await openStage({ base: "debian13" });
});
after(() => stage?.[Symbol.asyncDispose]());

for (const [index, fault] of all.entries()) {
  test(`${moment}: ${fault.name}`, async () => {
    const { host } = stage;
    const job = await stage.job(`web${index}`);
    // A checkpoint each second instead of every five minutes, and data that takes longer than that.
    const often = "--checkpoint-interval 1";
    const { create } = vpsPaths("borgpull");
    await host.run(
      `sed -i 's/--checkpoint-interval [0-9]*/${often}/' ${create}; grep -qe '${often}' ${create}; head -c 20M /dev/urandom > /srv/big`,
    );
    const pack = (compression: string) =>
      settings(host, job.name, { roots: ["/srv"], conf: { compression } });
    await pack("lzma,9");
    const come: typeof committed = async (stage, job) => {
      const running = await committed(stage, job);
      await pack("none"); // of the run that follows: the one under way has read its settings
      return running;
    };
    await cell(stage, job, { moment, come, fault });
    await whole(job);
  });
}
