import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { openLedger } from "../../pull/ledger.ts";
import { planPrune } from "../../pull/prune.ts";
import { targets } from "../../pull/rollback/targets.ts";
import { readConfig } from "../../pull/trust/config-file.ts";
import { gate } from "../../pull/trust/gate.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull, program } from "../borgpull.ts";
import { backUp, borgByHand, borgOf, makeLocalJob } from "./prune-fixture.ts";
import { makeHome, passphrase, waitFor } from "./pull-fixture.ts";

const hour = 3600 * 1000;

async function jobWithBackups(
  home: string,
): Promise<{ readonly job: JobFile; readonly names: readonly string[] }> {
  const job = await makeLocalJob(home, "web1", { daily: 7 });
  const names = [await backUp(job, Date.now() - 2 * hour), await backUp(job, Date.now() - hour)];
  return { job, names };
}

const byHand = (...args: readonly string[]) => borgpull(["borg", "web1", "--", ...args]);

test("borg's output and exit code are borg's own", async () => {
  using home = makeHome();
  const { names } = await jobWithBackups(home.folder);
  const list = await byHand("list", "--short");
  assert.equal(list.stdout, names.map((name) => `${name}\n`).join(""));
  assert.equal(list.code, 0, list.stderr);
  const missing = await byHand("list", "::nothing");
  assert.match(missing.stderr, /nothing does not exist/);
  assert.equal(missing.code, 2);
});

test("archives that a person makes and removes are that person's, and no alarm", async () => {
  using home = makeHome();
  const { job, names } = await jobWithBackups(home.folder);
  assert.equal((await byHand("create", "::mine", "/etc/hostname")).code, 0);
  assert.equal((await byHand("delete", `::${names[0]}`)).code, 0);

  const { code, stdout } = await borgpull(["list", "web1", "--all", "--json"]);
  assert.equal(code, 0);
  const { archives } = JSON.parse(stdout) as {
    archives: { name: string; trust: string; gone?: { why: string } }[];
  };
  const shown = Object.fromEntries(archives.map(({ name, trust, gone }) => [name, gone?.why ?? trust]));
  assert.deepEqual(shown, {
    [names[0] as string]: "attended",
    [names[1] as string]: "good",
    mine: "attended",
  });

  using ledger = openLedger(homePaths().stateDb);
  assert.equal((await gate({ job, ledger })).breach, undefined);
  const plan = await planPrune({ job, ledger });
  assert.equal(plan.find(({ archive }) => archive.name === "mine")?.stays, true);
  const events = ledger.events("web1", 10).filter(({ kind }) => kind === "attended");
  assert.deepEqual(
    events.map(({ text }) => text),
    ["borg delete: 1 archive(s) removed", "borg create: 1 archive(s) made"],
  );
});

test("what is changed by hand besides, borgpull does not take for that person's", async () => {
  using home = makeHome();
  const { job, names } = await jobWithBackups(home.folder);
  await borgByHand(job, ["delete", `REPO::${names[0]}`]);
  const { code, stderr } = await byHand("list");
  assert.equal(
    code,
    0,
    "found before the command, as by any other: it is on record, and the command goes on",
  );
  assert.equal(stderr, "");
  assert.equal((await borgpull(["list", "web1"])).code, 3);
});

test("borgpull killed while a person's borg works leaves no alarm, no borg, and a repository that works", async () => {
  using home = makeHome();
  const { job } = await jobWithBackups(home.folder);
  const child = spawn(program, ["borg", "web1", "--", "create", "::mine", "/etc/hostname", "-"], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  const borg = await new Promise<number>((resolve) => {
    const look = () => {
      const pid = borgOf(child.pid as number);
      if (pid !== undefined) {
        try {
          if (fs.existsSync(path.join(job.repository, "lock.exclusive"))) return resolve(pid);
        } catch {}
      }
      setTimeout(look, 20);
    };
    look();
  });
  const secrets = ["cmdline", "environ"].map((name) => fs.readFileSync(`/proc/${borg}/${name}`, "utf8"));
  assert.ok(secrets.every((text) => !text.includes(passphrase.slice(0, 20))));
  const busy = await byHand("list");
  assert.match(busy.stderr, /is being worked on/);

  child.kill("SIGKILL");
  await once(child, "exit");
  await waitFor("borg to end", () => !fs.existsSync(`/proc/${borg}`));
  using ledger = openLedger(homePaths().stateDb);
  assert.equal((await gate({ job, ledger })).breach, undefined);
  assert.deepEqual(ledger.openOperations("web1"), []);
  await backUp(job, Date.now());
  assert.deepEqual(ledger.openBreaches("web1"), []);
});

test("a compact by hand is none that a rollback would go behind", async () => {
  using home = makeHome();
  const { job, names } = await jobWithBackups(home.folder);
  using ledger = openLedger(homePaths().stateDb);
  const { id } = readConfig(job.repository);
  const segments = new Set(Array.from({ length: 100 }, (_, segment) => segment));
  await byHand("delete", `::${names[0]}`);
  assert.ok(targets(ledger.marks(id), segments).length > 1, "after a deletion one can still go back");
  await byHand("compact");
  assert.deepEqual(
    targets(ledger.marks(id), segments).map(({ why }) => why),
    ["compact"],
  );
});

test("what borgpull has a command of its own for is refused with its name", async () => {
  using home = makeHome();
  await makeLocalJob(home.folder, "web1", {});
  const change = await byHand("key", "change-passphrase");
  assert.match(change.stderr, /Run "borgpull passphrase web1"/);
  const mount = await byHand("mount", "::", "/mnt");
  assert.match(mount.stderr, /Run "borgpull mount web1"/);
  assert.deepEqual([change.code, mount.code], [2, 2]);
});

test("a setting that a person changes in the repository's config is taken over", async () => {
  using home = makeHome();
  const { job } = await jobWithBackups(home.folder);
  assert.equal((await byHand("config", job.repository, "additional_free_space", "2G")).code, 0);
  using ledger = openLedger(homePaths().stateDb);
  assert.equal((await gate({ job, ledger })).breach, undefined);
  await backUp(job, Date.now());
  assert.deepEqual(ledger.openBreaches("web1"), []);
});
