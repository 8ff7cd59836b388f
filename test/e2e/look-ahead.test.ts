/** What home asks borg before the VPS is done, and what becomes of it. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { newRun, runJob } from "../../pull/run.ts";
import { gate } from "../../pull/trust/gate.ts";
import { lookAhead } from "../../pull/trust/look-ahead.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgByHand } from "./prune-fixture.ts";
import { furnishVps, makeHome, makeJob, settings, waitFor } from "./pull-fixture.ts";

let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;
let file: string;

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  file = await makeJob(home, host, "web1");
  await furnishVps(host, "web1");
});
after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

test("while an after hook still runs on the VPS, home has listed the archives and checked the run's own", async () => {
  await settings(host, "web1", {
    roots: ["/etc/default"],
    conf: {
      after_user: "root",
      after_run: "for n in $(seq 300); do [ ! -e /run/go ] || break; sleep 0.1; done",
    },
  });
  await host.run("touch /run/go");
  assert.equal((await runJob(file)).outcome, "good", "the first gate has nothing to compare with");
  const asked = recordingBorg(home.folder);
  await host.run("rm -f /run/go");
  const running = runJob(file);
  await waitFor("both questions", () => /\blist\b/.test(asked.words()) && /\bcheck\b/.test(asked.words()));
  await host.run("touch /run/go");
  const { outcome, archive } = await running;
  asked[Symbol.dispose]();
  assert.equal(outcome, "good");
  assert.ok(asked.words().includes(`::${archive?.name}`));
  const times = (verb: string) => asked.words().match(new RegExp(` ${verb} --`, "g"))?.length;
  assert.deepEqual([times("list"), times("check")], [1, 1], "and asks neither again");
});

/** A session of borg's own, as far as the gate after it. */
async function written(): Promise<string> {
  const job = readJobFile(file);
  const run = newRun();
  using ledger = openLedger(homePaths().stateDb);
  ledger.begin(run, "web1");
  await gate({ job, ledger, pending: run });
  await borgByHand(job, ["create", `REPO::web1-${run}`, "/etc/default"]);
  return run;
}

test("an answer that was asked of another state of the repository is not taken", async () => {
  const job = readJobFile(file);
  const run = await written();
  using ledger = openLedger(homePaths().stateDb);
  const ahead = await lookAhead(job, run, ledger);
  assert.ok(ahead);
  await ahead.checked();
  await borgByHand(job, ["create", "REPO::planted", "/etc/default"]);
  const { breach } = await gate({ job, ledger, run, ahead });
  assert.match(JSON.stringify(breach?.findings), /planted/);
});

/** borg on PATH, with its words noted beforehand. */
function recordingBorg(folder: string): { words(): string } & Disposable {
  const log = path.join(folder, "asked");
  const bin = path.join(folder, "bin");
  fs.mkdirSync(bin);
  fs.writeFileSync(path.join(bin, "borg"), `#!/bin/sh\necho "$*" >> ${log}\nexec /usr/bin/borg "$@"\n`, {
    mode: 0o755,
  });
  const before = process.env.PATH;
  process.env.PATH = `${bin}:${before}`;
  return {
    words: () => (fs.existsSync(log) ? fs.readFileSync(log, "utf8") : ""),
    [Symbol.dispose]: () => {
      process.env.PATH = before;
    },
  };
}
