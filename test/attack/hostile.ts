/** A VPS that root there has turned against home: in place of borgctl runs what a test writes. And a home whose state can be put back. */
import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { listArchives, repositoryId, restoreFile } from "../../pull/borg.ts";
import { compact } from "../../pull/care/compact.ts";
import { planPrune, prune } from "../../pull/care/prune.ts";
import { readJobFile } from "../../pull/job.ts";
import { type Ledger, openLedger, type Trust } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import type { RunResult } from "../../pull/result.ts";
import { rollback } from "../../pull/rollback/rollback.ts";
import { runJob } from "../../pull/run.ts";
import type { Finding } from "../../pull/trust/finding.ts";
import { TamperedError } from "../../pull/trust/gate.ts";
import { attempt, command, type Outcome } from "../../sandbox/command.ts";
import { type Host, openLab } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { makeHome, makeJob, passphrase } from "../e2e/pull-fixture.ts";
import { addJob, furnish, paths } from "./furnished.ts";
import { hostileScript, takeOver, unfiltered } from "./hostile-side.ts";

export interface HostileVps extends AsyncDisposable {
  readonly host: Host;
  /** Of home. */
  readonly folder: string;
  readonly job: JobFile;
  /** The job file. */
  readonly file: string;
  /** The two archives that honest runs made before anything happened, the older first. */
  readonly good: readonly string[];
  /** Home as it was after these runs: repository, records, key copy. borg on the VPS starts anew. */
  reset(): Promise<void>;
  /** A pull in which the VPS does this (Python, on top of hostile.py) instead of a backup. */
  pullHostile(python: string): Promise<RunResult>;
  pullHonest(): Promise<RunResult>;
  /**
   * Does this to the repository through plain `borg serve --append-only`, between two runs: a stand-in for a hole in home's filter of
   * requests. Names in it are as in `pullHostile`.
   */
  unfiltered(python: string): Promise<void>;
  /** From now on runs that are no test's `pullHostile` meet this instead of borgctl too; undefined: borgctl again. */
  become(python: string | undefined): Promise<void>;
  /** What home's records say; the oldest breach first. */
  ledger<T>(look: (ledger: Ledger) => T): T;
  /** What the youngest breach that is open found, by kind; empty when none is open. */
  found(): readonly Finding["kind"][];
  /** Its archives that are there, by home's records: name -> trust. */
  trust(): Readonly<Record<string, Trust>>;
  /** The names in the repository, checkpoints too, as borg at home lists them. */
  archives(): Promise<readonly string[]>;
  /** borg's own check of everything, all data read. */
  check(): Promise<Outcome>;
  /** The files of the repository whose content is no longer what it was after the two good runs. */
  changed(): readonly string[];
  /** Of its segments on disk. */
  dataBytes(): number;
  /** What a prune would remove, and what it would leave, by name. */
  plan(
    keep: NonNullable<JobFile["keep"]>,
  ): Promise<{ readonly goes: readonly string[]; readonly stays: readonly string[] }>;
  /** Asserts that nothing may be removed, that a rollback undoes it all, and that the good archives are whole again. */
  undone(): Promise<void>;
  /** Asserts that the file which only the older good archive has comes back as it was. */
  oldFileComesBack(): Promise<void>;
  /** `borgpull WORDS...` in a process of its own. */
  cli(...words: readonly string[]): Promise<Outcome>;
}

/** @param limits of the job; short ones, where a test waits for them */
export async function hostileVps(limits: Partial<JobFile["limits"]> = {}): Promise<HostileVps> {
  const lab = await openLab();
  const home = makeHome();
  const host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  const file = await makeJob(home, host, "web1", limits);
  const job = readJobFile(file);
  await furnish(host);
  await host.run(
    `mkdir -p /srv/web /srv/hostile; echo page > /srv/web/page; head -c 20000 /dev/urandom > /srv/web/old`,
  );
  const oldFile = fs.readFileSync(path.join(host.root, "srv/web/old"));
  await addJob(host, "web1", path.dirname(homePaths().pullKey("web1")), { paths: ["/srv/web"] });
  await takeOver(host);

  const good: string[] = [];
  const honest = async () => {
    const { archive, outcome, failure } = await runJob(file);
    if (outcome !== "good" || !archive) throw new Error(`the honest run was ${outcome}: ${failure?.problem}`);
    good.push(archive.name);
  };
  await honest();
  await host.run("rm /srv/web/old; head -c 20000 /dev/urandom > /srv/web/new");
  await honest();
  const files = (folder: string) =>
    fs
      .readdirSync(path.join(job.repository, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
  const hashOf = (file: string) => crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  /** Nonces are reserved in whatever session, and never given back. */
  const contents = () =>
    new Map(files(".").flatMap((file) => (path.basename(file) === "nonce" ? [] : [[file, hashOf(file)]])));
  const untouched = contents();
  const snapshot = `${home.folder}.before`;
  await command(["cp", "-a", home.folder, snapshot]);

  const become: HostileVps["become"] = (python) => hostileScript(host, "web1", python);
  const ledger: HostileVps["ledger"] = (look) => {
    using open = openLedger(homePaths().stateDb);
    return look(open);
  };
  const borg = (...args: readonly string[]) =>
    attempt(["borg", ...args], {
      timeoutSeconds: 120,
      env: {
        BORG_PASSPHRASE: passphrase,
        BORG_BASE_DIR: path.join(home.folder, "looking"),
        BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
      },
    });
  const access = { repository: job.repository, passphraseFile: job.passphraseFile };
  const archives = async () => (await listArchives({ ...access, checkpoints: true })).map(({ name }) => name);
  const trust = () => {
    const records = ledger((open) => open.archives(repositoryId(job.repository) ?? ""));
    return Object.fromEntries(records.flatMap(({ name, trust, gone }) => (gone ? [] : [[name, trust]])));
  };
  const oldFileComesBack = async () => {
    const to = fs.mkdtempSync(path.join(home.folder, "restored-"));
    const restored = await restoreFile({ ...access, archive: good[0] as string, path: "/srv/web/old", to });
    assert.deepEqual(fs.readFileSync(restored), oldFile);
  };

  return {
    host,
    folder: home.folder,
    job,
    file,
    good,
    reset: async () => {
      await become(undefined);
      fs.rmSync(home.folder, { recursive: true, force: true });
      await command(["cp", "-a", snapshot, home.folder]);
      // The VPS's borg has seen a later list of archives than home now has; its nonces stay.
      await host.run(
        `rm -rf /var/cache/borgpull/*/.cache; find /var/cache/borgpull ${paths.home} -name manifest-timestamp -delete`,
      );
    },
    pullHostile: async (python) => {
      await become(python);
      try {
        return await runJob(file);
      } finally {
        await become(undefined);
      }
    },
    pullHonest: () => runJob(file),
    unfiltered: (python) => unfiltered(home.folder, job, python),
    become,
    ledger,
    found: () => ledger((open) => open.openBreaches("web1").at(-1)?.findings ?? []).map(({ kind }) => kind),
    trust,
    archives,
    check: () => borg("check", "--verify-data", job.repository),
    changed: () => {
      const now = contents();
      return [...untouched].flatMap(([file, hash]) => (now.get(file) === hash ? [] : [file]));
    },
    dataBytes: () => files("data").reduce((sum, file) => sum + fs.statSync(file).size, 0),
    plan: async (keep) => {
      using open = openLedger(homePaths().stateDb);
      const plan = await planPrune({ job: { ...job, keep }, ledger: open });
      const named = (staying: boolean) =>
        plan.flatMap(({ archive, stays }) => (stays === staying ? [archive.name] : []));
      return { goes: named(false), stays: named(true) };
    },
    undone: async () => {
      using open = openLedger(homePaths().stateDb);
      {
        using _lock = lockJob(homePaths().lock("web1"), "web1");
        await assert.rejects(prune({ job: { ...job, keep: { daily: 1 } }, ledger: open }), TamperedError);
        await assert.rejects(compact({ job, ledger: open }), TamperedError);
      }
      const result = await rollback(file, { confirm: async () => true });
      assert.ok(result.kind === "rolled-back" && !result.problem && !result.warning, JSON.stringify(result));
      assert.deepEqual(open.openBreaches("web1"), []);
      assert.deepEqual(trust(), Object.fromEntries(good.map((name) => [name, "good"])));
      await oldFileComesBack();
    },
    oldFileComesBack,
    cli: (...words) => borgpull(words),
    [Symbol.asyncDispose]: async () => {
      await lab[Symbol.asyncDispose]();
      home[Symbol.dispose]();
      fs.rmSync(snapshot, { recursive: true, force: true });
    },
  };
}
