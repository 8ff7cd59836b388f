/** What needs no VPS: a home that is killed in a rollback, what borg and the disk put in its way, and acceptance. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { borgEnvironment } from "../../pull/borg.ts";
import { prune } from "../../pull/care/prune.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { accept } from "../../pull/rollback/accept.ts";
import { rollback } from "../../pull/rollback/rollback.ts";
import { segmentFilesOf } from "../../pull/segments/files.ts";
import { lastCommitted, segmentEntries } from "../../pull/segments.ts";
import { gate } from "../../pull/trust/gate.ts";
import { attempt, type Outcome } from "../../sandbox/command.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { editJob, makeHome, passphrase, waitFor } from "./pull-fixture.ts";
import { archiveNames, contents, ledgerRows, makeLonelyJob, served, viaServe } from "./rollback-fixture.ts";

interface Prepared {
  readonly job: JobFile;
  readonly archives: readonly string[];
}

let home: ReturnType<typeof makeHome>;
let attacked: Prepared;
let untouched: Prepared;

/** Two good archives of each of two jobs; a thief has deleted the first one of web1's during a third run. */
before(async () => {
  home = makeHome();
  const prepared = async (name: string): Promise<Prepared> => {
    const job = await makeLonelyJob(home, name);
    const archives: string[] = [];
    for (const _ of [1, 2]) archives.push(`${name}-${await served(job, machineOf(job))}`);
    return { job, archives };
  };
  untouched = await prepared("db1");
  const { job, archives } = await prepared("web1");
  const run = await served(job, machineOf(job), () =>
    viaServe(job, thiefOf(job), ["delete", `::${archives[0]}`]),
  );
  attacked = { job, archives: [...archives, `web1-${run}`] };
});
after(() => home?.[Symbol.dispose]());

const machineOf = ({ repository }: JobFile): string => path.join(repository, "../../vps");
const thiefOf = ({ repository }: JobFile): string => path.join(repository, "../../thief");

let copies = 0;

/** A copy of home as it was prepared, or of a copy. */
function copyOf({ job, archives }: Prepared): Prepared & { readonly env: Record<string, string> } {
  const from = path.join(job.repository, "../..");
  const copy = path.join(home.folder, `copy-${++copies}`);
  for (const part of ["config", "state", "repositories", "vps", "thief"]) {
    fs.cpSync(path.join(from, part), path.join(copy, part), { recursive: true });
  }
  const moved = (file: string) => file.replace(from, copy);
  const file = path.join(copy, "config/jobs", `${job.job}.json`);
  editJob(file, (data) => ({
    ...data,
    repository: moved(job.repository),
    passphraseFile: moved(job.passphraseFile),
  }));
  const env = { BORGPULL_CONFIG: path.join(copy, "config"), BORGPULL_STATE: path.join(copy, "state") };
  return { job: readJobFile(file), archives, env };
}

/** A copy that is this process's home from now on. */
function atHome(prepared: Prepared): Prepared {
  const { env, ...copy } = copyOf(prepared);
  Object.assign(process.env, env);
  return copy;
}

const yes = { confirm: async () => true };
const fileOf = ({ job }: JobFile): string => homePaths().jobFile(job);
const open = () => openLedger(homePaths().stateDb);
const changePassphrase = (job: JobFile, to: string) =>
  viaServe(job, thiefOf(job), ["key", "change-passphrase"], { BORG_NEW_PASSPHRASE: to });

suite("a rollback that is killed with SIGKILL", () => {
  function roll({ job, env }: ReturnType<typeof copyOf>, deadly?: string): Promise<Outcome> {
    const script = fileURLToPath(new URL("rollback-job.ts", import.meta.url));
    const file = path.join(env.BORGPULL_CONFIG as string, "jobs", `${job.job}.json`);
    return attempt([process.execPath, script, file, ...(deadly ? [deadly] : [])], {
      env,
      timeoutSeconds: 120,
    });
  }

  test("at any step goes on when it is run again, and ends as one that nobody killed", async () => {
    const { archives } = attacked;
    const hostile = copyOf(attacked);
    changePassphrase(hostile.job, "hostile");
    const whole = copyOf(hostile);
    const { stdout, stderr } = await roll(whole);
    assert.ok(stdout, stderr);
    const { steps, ...ended } = JSON.parse(stdout) as {
      readonly steps: readonly string[];
      readonly kind: string;
    };
    assert.deepEqual(ended, {
      kind: "rolled-back",
      back: [archives[0]],
      leave: [archives[2]],
      archives: archives.slice(0, 2),
      good: archives[1],
      open: ["forget-cache"],
      breaches: 0,
    });
    const segment = (await lastCommitted(whole.job.repository)) ?? -1;
    const text = (job: JobFile, name: string) => fs.readFileSync(path.join(job.repository, name), "utf8");
    const transactions = (job: JobFile) =>
      [...text(job, "transactions").matchAll(/^transaction (\d+)/gm)].map(([, number]) => Number(number));
    assert.deepEqual(
      transactions(whole.job),
      transactions(hostile.job).filter((number) => number <= segment),
    );
    // As hexadecimal digits of one length.
    assert.ok(text(whole.job, "nonce") >= text(hostile.job, "nonce"), "the nonce never goes backwards");
    const log = ({ repository }: JobFile) =>
      Object.entries(contents(repository))
        .filter(([file]) => /data\/|config$|transactions$/.test(file))
        .map(([file, hash]) => [file.replace(/rolled-back\/[^/]*/, "rolled-back"), hash]);

    const segments = steps.filter((step) => step.startsWith("moving segment"));
    const middle = segments.slice(1, -1).filter((_, index) => index !== 1);
    const deadly = steps.filter((step) => !middle.includes(step) && !/moving (index|integrity)/.test(step));
    assert.ok(deadly.length >= 9 && segments.length >= 3, String(steps));
    const failures: string[] = [];
    const waiting = [...deadly];
    const worker = async () => {
      for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
        const copy = copyOf(hostile);
        const killed = await roll(copy, step);
        const again = await roll(copy);
        try {
          assert.equal(killed.stdout, "", "it was killed");
          const { steps: _, ...result } = JSON.parse(again.stdout || "{}") as typeof ended & {
            steps: unknown;
          };
          // Recorded already: only the VPS's cache is left to do, and this VPS does not answer.
          if (step.includes("VPS")) assert.match(again.stderr, /borg's cache on .* could not be removed/);
          else assert.deepEqual(result, ended, again.stderr);
          assert.deepEqual(log(copy.job), log(whole.job));
        } catch (error) {
          failures.push(`killed before "${step}": ${(error as Error).message}`);
        }
      }
    };
    await Promise.all([worker(), worker()]);
    assert.deepEqual(failures, []);
  });
});

suite("a rollback", () => {
  test("waits for no borg of somebody else's, and touches nothing while it is there", async () => {
    const { job } = atHome(attacked);
    const before = { files: contents(job.repository), rows: ledgerRows() };
    const stranger = spawn("borg", ["with-lock", job.repository, "cat"], {
      stdio: ["pipe", "ignore", "ignore"],
      env: { ...borgEnvironment(homePaths().state), BORG_HOST_ID: "stranger", BORG_PASSPHRASE: passphrase },
    });
    await waitFor("the lock", () => fs.existsSync(path.join(job.repository, "lock.exclusive")));
    await assert.rejects(rollback(fileOf(job), yes), /locked by process \d+ of stranger/);
    stranger.stdin.end();
    await once(stranger, "close");
    assert.deepEqual(ledgerRows(), before.rows);
    assert.deepEqual(
      Object.keys(contents(job.repository)).filter((file) => file.startsWith("borgpull")),
      [],
    );
  });

  test("that is declined changes nothing", async () => {
    const { job } = atHome(attacked);
    const before = { files: contents(job.repository), rows: ledgerRows() };
    assert.equal((await rollback(fileOf(job), { confirm: async () => false })).kind, "declined");
    assert.deepEqual({ files: contents(job.repository), rows: ledgerRows() }, before);
  });

  test("puts back a key that was changed, and leaves the log alone", async () => {
    const { job } = atHome(untouched);
    const before = contents(path.join(job.repository, "data"));
    changePassphrase(job, "hostile");
    await assert.rejects(archiveNames(job));
    assert.equal((await rollback(fileOf(job), yes)).kind, "rolled-back");
    assert.deepEqual(contents(path.join(job.repository, "data")), before);
    assert.equal((await archiveNames(job)).length, 2);
    using ledger = open();
    assert.deepEqual([ledger.openBreaches("db1"), ledger.openOperations("db1")], [[], []]);
    await served(job, machineOf(job));
  });

  test("to before a prune brings back what home itself has removed", async () => {
    const { job, archives } = atHome(untouched);
    using ledger = open();
    await prune({ job: { ...job, keep: { daily: 1 } }, ledger });
    assert.deepEqual(await archiveNames(job), archives.slice(1));
    const to = archives[1]?.replace("db1-", "");
    const result = await rollback(fileOf(job), { ...yes, to });
    assert.deepEqual(
      result.kind === "rolled-back" && result.back.map(({ name }) => name),
      archives.slice(0, 1),
    );
    assert.deepEqual(await archiveNames(job), archives);
    await gate({ job, ledger });
    assert.deepEqual(ledger.openBreaches("db1"), []);
  });

  test("finds out what a changed key had hidden, and goes back by the log the next time", async () => {
    const { job, archives } = atHome(untouched);
    const [first = ""] = archives;
    rewriteManifestWithout(job, first);
    changePassphrase(job, "hostile");
    const once = await rollback(fileOf(job), yes);
    assert.match(
      (once.kind === "rolled-back" && once.problem) || "",
      new RegExp(`1 archive\\(s\\) .* are not: ${first}`),
    );
    using ledger = open();
    assert.equal(ledger.openBreaches("db1").length, 2);
    const twice = await rollback(fileOf(job), yes);
    assert.equal(twice.kind === "rolled-back" && twice.problem, undefined);
    assert.deepEqual(await archiveNames(job), archives);
    assert.deepEqual(ledger.openBreaches("db1"), []);
  });

  test("works while home cannot open the repository, and looks at what was written meanwhile", async () => {
    const { job } = atHome(untouched);
    changePassphrase(job, "hostile");
    using ledger = open();
    await gate({ job, ledger });
    assert.equal(ledger.openBreaches("db1").length, 1);
    const [chunk = ""] = chunksOf(job);
    viaServe(job, thiefOf(job), ["debug", "delete-obj", "::", chunk], { BORG_PASSPHRASE: "hostile" });
    const first = await rollback(fileOf(job), yes);
    assert.match(
      (first.kind === "rolled-back" && first.problem) || "",
      /borg's check .* missing file chunk/i,
    );
    assert.equal(ledger.openBreaches("db1").length, 2);
    const second = await rollback(fileOf(job), yes);
    assert.equal(second.kind === "rolled-back" && second.problem, undefined);
    assert.ok(chunksOf(job).includes(chunk));
    assert.deepEqual(ledger.openBreaches("db1"), []);
  });

  test("whose check finds errors says so, and the breach stays open", async () => {
    const { job } = atHome(attacked);
    corrupt(job);
    const result = await rollback(fileOf(job), yes);
    assert.match(
      (result.kind === "rolled-back" && result.problem) || "",
      /borg's check of the repository found/,
    );
    using ledger = open();
    assert.equal(ledger.openBreaches("web1").length, 1);
    // The next gate finds the log where the rollback left it.
    await gate({ job, ledger });
    assert.equal(ledger.openBreaches("web1").length, 1);
  });
});

suite("accept", () => {
  test("takes archives as they are: what has vanished is gone, what is foreign stays so, and the next run is good", async () => {
    const { job, archives } = atHome(attacked);
    viaServe(job, thiefOf(job), ["create", "::stranger", "/etc/hostname"]);
    let shown = "";
    const result = await accept(fileOf(job), {
      confirm: async (preview) => {
        shown = preview;
        return true;
      },
    });
    assert.deepEqual(result, { kind: "accepted", doubtful: [] });
    assert.match(shown, /have vanished stay gone/);
    assert.match(shown, /are never pruned and never\s+trusted/);
    using ledger = open();
    const { repository } = ledger.breaches("web1")[0] ?? { repository: "" };
    assert.deepEqual(
      ledger.archives(repository).map(({ name, trust, gone }) => [name, gone?.why ?? trust]),
      [
        [archives[0], "vanished"],
        [archives[1], "good"],
        [archives[2], "unconfirmed"],
        ["stranger", "foreign"],
      ],
    );
    assert.deepEqual(ledger.openBreaches("web1"), []);
    assert.equal(ledger.mark(repository)?.segment, await lastCommitted(job.repository));
    const run = await served(job, machineOf(job));
    assert.equal(ledger.run(run)?.outcome, "good");
    assert.equal((await accept(fileOf(job), yes)).kind, "nothing");
  });

  test("of deleted chunks names the archives with holes, which no longer count as good", async () => {
    const { job, archives } = atHome(attacked);
    const [, chunk = ""] = chunksOf(job);
    viaServe(job, thiefOf(job), ["debug", "delete-obj", "::", chunk]);
    const result = await accept(fileOf(job), yes);
    assert.deepEqual(result, { kind: "accepted", doubtful: [archives[1]] });
    using ledger = open();
    assert.equal(ledger.lastGood("web1"), undefined);
  });

  test("of a changed key keeps the copy of the old one", async () => {
    const { job } = atHome(untouched);
    changePassphrase(job, passphrase);
    assert.equal((await accept(fileOf(job), yes)).kind, "accepted");
    const copies = fs.readdirSync(homePaths().keyCopy("db1"));
    assert.equal(copies.filter((name) => name.startsWith("config")).length, 2);
    await served(job, machineOf(job));
    using ledger = open();
    assert.deepEqual(ledger.openBreaches("db1"), []);
  });
});

/** A manifest without an archive, written over the old one; nothing is deleted. As who has the key could do from outside. */
function rewriteManifestWithout(job: JobFile, archive: string): void {
  const script = `
import sys
from borg.logger import setup_logging
from borg.repository import Repository
from borg.helpers import Manifest
setup_logging()
with Repository(sys.argv[1], exclusive=True) as repository:
    manifest, key = Manifest.load(repository, (Manifest.Operation.WRITE,))
    del manifest.archives[sys.argv[2]]
    manifest.write()
    repository.commit(compact=False)
`;
  execFileSync("/usr/bin/python3", ["-c", script, job.repository, archive], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, HOME: thiefOf(job), LANG: "C.UTF-8", BORG_PASSPHRASE: passphrase },
  });
}

/** The ids of what was in the files of a repository's archives, in the order in which it was written. */
const chunksOf = (job: JobFile): readonly string[] => largeEntries(job).map(({ id }) => id);

function largeEntries({ repository }: JobFile) {
  return segmentFilesOf(repository).flatMap(({ file }) =>
    [...segmentEntries(path.join(repository, file))]
      .filter(({ size }) => size > 50_000)
      .map((entry) => ({ ...entry, file: path.join(repository, file) })),
  );
}

/** One byte of the first archive, on disk. */
function corrupt(job: JobFile): void {
  const [entry] = largeEntries(job);
  const file = fs.openSync(entry?.file as string, "r+");
  fs.writeSync(file, Buffer.from("x"), 0, 1, (entry?.offset ?? 0) + 1000);
  fs.closeSync(file);
}
