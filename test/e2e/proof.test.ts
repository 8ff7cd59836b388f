import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { hashLive } from "../../pull/proof/live.ts";
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
  // two files of Debian's own, unchanged for longer than a minute
  await settings(host, "web1", { roots: ["/srv/files", "/etc/cron.daily"] });
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

const left = () => fs.readdirSync(path.join(homePaths().state, "proof"));

/** Puts another text in place of one in a program of ours on the VPS; disposed of, it is as it was. */
async function changed(name: "create" | "hash", from: string, to: string): Promise<AsyncDisposable> {
  const at = vpsPaths("borgpull")[name];
  await host.run(`cp -p ${at} /root/kept && sed -i 's#${from}#${to}#' ${at} && ! cmp -s ${at} /root/kept`);
  return {
    [Symbol.asyncDispose]: async () => {
      await host.run(`cp -p /root/kept ${at}`);
    },
  };
}

const withoutCanary = () => changed("create", '--pattern "R $canary"', "");

test("without a good archive there is nothing to prove, in one sentence", async () => {
  const { code, stderr } = await borgpull(["proof", "web1"]);
  assert.equal(code, 2);
  assert.match(stderr, /^No good archive of web1 is known/m);
  assert.equal(lastRecord()?.outcome, "ended");
});

test("an archive of an older borgpull has no canary: its files prove it, and that is said", async () => {
  await using _ = await withoutCanary();
  await pull();
  const { outcome, summary } = await prove();
  assert.equal(outcome, "good");
  assert.match(summary, /^9 files came back; 9 compared .*; the run's name is not in the archive/);
});

test("a run proves by itself when it is time to", async () => {
  const before = lastRecord()?.started ?? 0;
  editJob(file, (job) => ({ ...job, care: { proof: 1 } }));
  await pull();
  editJob(file, ({ care: _, ...job }) => job);
  assert.ok((lastRecord()?.started ?? 0) > before);
  assert.equal(lastRecord()?.outcome, "good");
});

test("a proof of a good backup compares every unchanged file with the VPS, is recorded, and leaves nothing", async () => {
  const { code, stdout, stderr } = await borgpull(["proof", "web1"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^web1: web1-\S+: 9 files came back; 9 compared with the VPS\n$/);
  const { kind, outcome, detail } = lastRecord() ?? {};
  assert.deepEqual(
    { kind, outcome, detail },
    {
      kind: "proof",
      outcome: "good",
      detail: { summary: "9 files came back; 9 compared with the VPS", canary: true },
    },
  );
  assert.deepEqual(left(), []);
});

test("what has changed or gone on the VPS since is not compared, even with its old time and size, and the proof is good", async () => {
  await host.run(`cd /srv/files && echo changed >file-1 && rm file-2 && touch file-3
    touch -r file-4 /tmp/time && echo X >file-4 && touch -r /tmp/time file-4`);
  const { outcome, summary } = await prove();
  assert.equal(outcome, "good");
  assert.equal(
    summary,
    "9 files came back; 5 compared with the VPS; not compared: 3 changed since, 1 gone since",
  );
});

test("another content in a file that has not changed fails the proof: 2, and on record", async () => {
  await using _ = await changed("hash", "digest.hexdigest()", "digest.hexdigest()[::-1]");
  const { code, stderr } = await borgpull(["proof", "web1"]);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /the proof failed: \/etc\/cron\.daily\/\S+ came back with other content than it has on the VPS/,
  );
  assert.match(stderr, /nothing is pruned or compacted until "borgpull proof web1" is good/);
  assert.equal(lastRecord()?.outcome, "failed");
  assert.match(lastRecord()?.detail.problem ?? "", /cron\.daily/);
});

test("a VPS that is away, answers nothing of use, or knows no hash: files came back, and none was compared", async () => {
  const { borgctl } = vpsPaths("borgpull");
  const cases = [
    ["echo 'no such verb' >&2; exit 200", / gave no hashes \(no such verb\)\.$/],
    ['cat >/dev/null; yes \'{"error":"gone"}\' | head -c 1000000', / none of borgctl's\.$/],
    ["kill -9 $$", / gave no hashes/],
  ] as const;
  await host.run(`cp ${borgctl} /root/borgctl`);
  for (const [script, words] of cases) {
    await host.run(`cat >${borgctl}`, { stdin: `#!/bin/sh\n${script}\n` });
    const answer = await hashLive(readJobFile(file), "20261122t031500z-9f3c1a07be42", ["/etc/hosts"]);
    assert.match(answer.kind === "unasked" ? answer.why : "answered", words);
  }
  await host.run(`cp /root/borgctl ${borgctl}`);
  editJob(file, (job) => ({ ...job, pull: { ...job.pull, port: 24 } }));
  const { outcome, summary } = await prove();
  editJob(file, (job) => ({ ...job, pull: { ...job.pull, port: 22 } }));
  assert.equal(outcome, "good");
  assert.match(summary, /^9 files came back; none was compared: .* cannot be reached/);
});

test("a proof that is cancelled is recorded as ended, and leaves nothing", async () => {
  const cancel = new AbortController();
  const cancelled = prove(cancel.signal, (step) => {
    if (step === "restoring a sample") cancel.abort();
  });
  await assert.rejects(cancelled, { name: "AbortError" });
  assert.equal(lastRecord()?.outcome, "ended");
  assert.deepEqual(left(), []);
});

test("an archive whose canary is another run's, or that has none as earlier ones had, fails the proof", async () => {
  {
    await using _ = await changed("create", 'echo "$run" >', "echo another >");
    await pull();
  }
  const wrong = await prove();
  assert.equal(wrong.outcome, "failed");
  assert.match(wrong.problem ?? "", /holds "another", not "\d{8}t/);
  {
    await using _ = await withoutCanary();
    await pull();
  }
  const none = await prove();
  assert.equal(none.outcome, "failed");
  assert.match(none.problem ?? "", /is not in the archive, as it was in earlier ones/);
});

test("a file that holds more than the archive's list says fails the proof, and not home's disk", async () => {
  await host.run(
    "rm /srv/files/* && head -c 2M /dev/urandom >/srv/files/swells && cat >/usr/local/bin/borg",
    {
      stdin: `#!/usr/bin/python3
import sys
from borg.archive import Archive
from borg.archiver import main
add = Archive.add_item
def swell(self, item, *args, **options):
    if item.path.endswith("swells"):
        item.chunks = item.chunks * 50
        item.size = 10
    return add(self, item, *args, **options)
Archive.add_item = swell
sys.argv[0] = "borg"
sys.exit(main())
`,
    },
  );
  await host.run("chmod 755 /usr/local/bin/borg");
  await pull();
  await host.run("rm /usr/local/bin/borg");
  const folder = path.join(homePaths().state, "proof/web1/srv/files");
  let most = 0;
  const looking = setInterval(() => {
    const { size = 0 } = fs.statSync(path.join(folder, "swells"), { throwIfNoEntry: false }) ?? {};
    most = Math.max(most, size);
  }, 5);
  const { outcome, problem } = await prove().finally(() => clearInterval(looking));
  assert.equal(outcome, "failed");
  assert.match(problem ?? "", /swells did not come back|MemoryError/);
  assert.ok(most > 0 && most <= 1 << 20, `it became ${most} bytes large`);
});

test("damage of the repository that no check of the archives sees fails the proof", async () => {
  await host.run("rm /srv/files/* && head -c 2M /dev/urandom >/srv/files/large");
  const { repository } = readJobFile(file);
  const before = segmentFilesOf(repository).length;
  await pull();
  const added = segmentFilesOf(repository).slice(before);
  const largest = added.toSorted((a, b) => b.bytes - a.bytes)[0]?.file ?? "";
  const segment = path.join(repository, largest);
  const kept = fs.readFileSync(segment);
  const data = Buffer.from(kept);
  data.write("damage", Math.floor(data.length / 2));
  fs.writeFileSync(segment, data);
  const { outcome, problem } = await prove();
  fs.writeFileSync(segment, kept);
  assert.equal(outcome, "failed");
  assert.match(problem ?? "", /integrity|checksum|crc/i);
});

test("with privilege user the canary is found where the account's own is", async () => {
  await furnishVps(host, "web1", { privilege: "user" });
  await settings(host, "web1", { roots: ["/etc/pam.d"] });
  await pull();
  const { code, stdout, stderr } = await borgpull(["proof", "web1"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /files came back; \d+ compared with the VPS$/m);
});
