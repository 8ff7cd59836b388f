import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openLedger } from "../../pull/ledger.ts";
import { gate } from "../../pull/trust/gate.ts";
import { homePaths } from "../../schema/paths.ts";
import { backUp, makeLocalJob } from "./prune-fixture.ts";
import { makeHome, passphrase } from "./pull-fixture.ts";

const program = fileURLToPath(new URL("rename-job.ts", import.meta.url));
const rename = (deadly = "") => spawnSync(process.execPath, [program, deadly], { encoding: "utf8" });
const steps = [
  "recording the new name",
  "moving repositories/web1",
  "moving passphrases/web1",
  "moving passphrases/web1.old-1",
  "telling the VPS",
];

for (const step of [...steps, "none"]) {
  test(`killed before this step, a renaming is done when it is begun again: ${step}`, async () => {
    using home = makeHome();
    const job = await makeLocalJob(home.folder, "web1", {});
    const paths = homePaths();
    fs.writeFileSync(`${paths.passphrase("web1")}.old-1`, "old\n", { mode: 0o600 });
    fs.writeFileSync(paths.passphrase("web10"), "of another job\n", { mode: 0o600 });
    const archive = await backUp(job, Date.now());
    const killed = rename(step);
    if (step === "none") assert.deepEqual(JSON.parse(killed.stdout), steps, killed.stderr);
    else assert.equal(killed.signal, "SIGKILL", killed.stderr);

    assert.equal(rename().status, 0);
    const renamed = { ...job, job: "www", passphraseFile: paths.passphrase("www") };
    assert.equal(fs.readFileSync(renamed.passphraseFile, "utf8").trim(), passphrase);
    assert.deepEqual(fs.readdirSync(`${paths.config}/passphrases`).toSorted(), ["web10", "www", "www.old-1"]);
    using ledger = openLedger(paths.stateDb);
    assert.equal((await gate({ job: renamed, ledger })).breach, undefined);
    assert.equal(ledger.lastGood("www")?.archive?.name, archive);
    assert.deepEqual(ledger.runs("web1", 1), []);
    assert.deepEqual(
      ledger.openOperations("www").map(({ kind }) => kind),
      ["rename-cache"],
      "the VPS, which cannot be reached, is told before the next run",
    );
    await backUp(renamed, Date.now());
    assert.deepEqual(ledger.openBreaches("www"), []);
  });
}

test("a name that has things of its own is not taken over", async () => {
  using home = makeHome();
  await makeLocalJob(home.folder, "web1", {});
  await makeLocalJob(home.folder, "www", {});
  const { status, stderr } = rename();
  assert.notEqual(status, 0);
  assert.match(stderr, /www cannot be the new name of web1/);
  assert.ok(fs.existsSync(homePaths().passphrase("web1")));
});
