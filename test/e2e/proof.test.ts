import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { proof } from "../../pull/proof.ts";
import { runJob } from "../../pull/run.ts";
import { segmentFilesOf } from "../../pull/segments/files.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { editJob, furnishVps, makeHome, makeJob, settings } from "./pull-fixture.ts";

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
  await host.run(`mkdir /srv/files && cd /srv/files && for n in 1 2 3 4 5 6; do echo $n >file-$n; done
    ln -s file-1 link; printf x >"$(printf 'odd\\n\\033[2J name')"; chmod 600 file-2; chown daemon file-3`);
  await settings(host, "web1", { roots: ["/srv/files"] });
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

/** A good one: with a warning as long as the last proof has failed. */
async function pull(): Promise<void> {
  const { outcome, failure } = await runJob(file);
  assert.match(outcome, /^(good|warning)$/, JSON.stringify(failure));
}

/** As care calls it. */
async function prove(signal?: AbortSignal, onStep?: (text: string) => void) {
  using _lock = lockJob(homePaths().lock("web1"), "web1");
  using ledger = openLedger(homePaths().stateDb);
  const options = {
    job: readJobFile(file),
    ledger,
    ...(signal ? { signal } : {}),
    ...(onStep ? { onStep } : {}),
  };
  return await proof(options);
}

function lastRecord() {
  using ledger = openLedger(homePaths().stateDb);
  return ledger.checks("web1", 1)[0];
}

test("a proof of a good backup compares every unchanged file with the VPS, is recorded, and leaves nothing", async () => {
  await pull();
  const { code, stdout, stderr } = await borgpull(["proof", "web1"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^web1: web1-\S+: 7 files came back; 7 compared with the VPS\n$/);
  const { kind, outcome, detail } = lastRecord() ?? {};
  assert.deepEqual(
    { kind, outcome, detail },
    {
      kind: "proof",
      outcome: "good",
      detail: { summary: "7 files came back; 7 compared with the VPS" },
    },
  );
  assert.deepEqual(fs.readdirSync(path.join(homePaths().state, "proof")), []);
});

test("a run proves by itself when it is time to", async () => {
  editJob(file, (job) => ({ ...job, care: { proof: 7 * 24 * 3600 } }));
  const before = lastRecord()?.started ?? 0;
  await pull();
  assert.equal(lastRecord()?.started, before, "it is not due yet");
  editJob(file, (job) => ({ ...job, care: { proof: 1 } }));
  await pull();
  editJob(file, ({ care: _, ...job }) => job);
  assert.ok((lastRecord()?.started ?? 0) > before);
  assert.equal(lastRecord()?.outcome, "good");
});

test("with privilege user the canary is found where the account's own is", async () => {
  const other = await lab.boot({ name: "user1", base: "debian13", login: "admin" });
  const job = await makeJob(home, other, "user1");
  await furnishVps(other, "user1", { privilege: "user" });
  await settings(other, "user1", { roots: ["/etc/pam.d"] });
  assert.equal((await runJob(job)).outcome, "good");
  const { code, stdout, stderr } = await borgpull(["proof", "user1"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /files came back; \d+ compared with the VPS$/m);
  await other.remove();
});

test("what has changed or gone on the VPS since is not compared, and the proof is good", async () => {
  await pull();
  await host.run("cd /srv/files && echo changed >file-1 && rm file-2 && touch file-3");
  const { outcome, summary } = await prove();
  assert.equal(outcome, "good");
  assert.equal(
    summary,
    "7 files came back; 4 compared with the VPS; not compared: 2 changed since, 1 gone since",
  );
});

test("another content where time and size are the same fails the proof: 2, and on record", async () => {
  await pull();
  await host.run("cd /srv/files && touch -r file-4 /tmp/time && echo X >file-4 && touch -r /tmp/time file-4");
  const { code, stderr } = await borgpull(["proof", "web1"]);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /the proof failed: \/srv\/files\/file-4 came back with other content than it has on the VPS/,
  );
  assert.equal(lastRecord()?.outcome, "failed");
  assert.match(lastRecord()?.detail.problem ?? "", /file-4/);
});

test("an archive whose canary is another run's, or that has none, fails the proof", async () => {
  const { helper } = vpsPaths("borgpull");
  await host.run(`cp ${helper} /root/helper && sed -i 's/echo "$run" >/echo another >/' ${helper}`);
  await pull();
  const wrong = await prove();
  assert.equal(wrong.outcome, "failed");
  assert.match(wrong.problem ?? "", /holds "another", not "\d{8}t/);
  await host.run(
    `cp /root/helper ${helper} && sed -i 's#--pattern "R $canary"##' ${helper} && ! cmp -s ${helper} /root/helper`,
  );
  await pull();
  const none = await prove();
  assert.equal(none.outcome, "failed");
  assert.match(none.problem ?? "", /did not come back/);
  await host.run(`cp /root/helper ${helper}`);
});

test("a VPS that is away, answers nothing of use, or knows no hash: files came back, and none was compared", async () => {
  await pull();
  const { borgctl } = vpsPaths("borgpull");
  const cases = [
    ["echo 'no such verb' >&2; exit 200", /none was compared: .* gave no hashes \(no such verb\)\./],
    ['cat >/dev/null; yes \'{"error":"gone"}\' | head -c 1000000', /none was compared: .* none of borgctl's/],
    ["kill -9 $$", /none was compared: .* gave no hashes/],
  ] as const;
  await host.run(`cp ${borgctl} /root/borgctl`);
  for (const [script, words] of cases) {
    await host.run(`cat >${borgctl}`, { stdin: `#!/bin/sh\n${script}\n` });
    const { outcome, summary } = await prove();
    assert.equal(outcome, "good");
    assert.match(summary, words);
  }
  await host.run(`cp /root/borgctl ${borgctl}`);
  editJob(file, (job) => ({ ...job, pull: { ...job.pull, port: 24 } }));
  const { summary } = await prove();
  editJob(file, (job) => ({ ...job, pull: { ...job.pull, port: 22 } }));
  assert.match(summary, /none was compared: .* cannot be reached/);
});

test("a proof that is cancelled is recorded as ended, and leaves nothing", async () => {
  const cancel = new AbortController();
  const cancelled = prove(cancel.signal, (step) => {
    if (step === "restoring a sample") cancel.abort();
  });
  await assert.rejects(cancelled, { name: "AbortError" });
  assert.equal(lastRecord()?.outcome, "ended");
  assert.deepEqual(fs.readdirSync(path.join(homePaths().state, "proof")), []);
});

test("without a good archive there is nothing to prove, in one sentence", async () => {
  await makeJob(home, host, "empty1");
  const { code, stderr } = await borgpull(["proof", "empty1"]);
  assert.equal(code, 2);
  assert.match(stderr, /^No good archive of empty1 is known/m);
});

test("damage of the repository that no check of the archives sees fails the proof", async () => {
  await host.run("rm /srv/files/* && head -c 2M /dev/urandom >/srv/files/large");
  await pull();
  const { repository } = readJobFile(file);
  const largest = segmentFilesOf(repository).toSorted((a, b) => b.bytes - a.bytes)[0]?.file ?? "";
  const segment = path.join(repository, largest);
  const data = fs.readFileSync(segment);
  data.write("damage", Math.floor(data.length / 2));
  fs.writeFileSync(segment, data);
  const { outcome, problem } = await prove();
  assert.equal(outcome, "failed");
  assert.match(problem ?? "", /integrity|checksum|crc/i);
});
