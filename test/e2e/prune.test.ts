/** What home removes, and that it removes nothing else, whatever happens meanwhile. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { checkRepository, listArchives, restoreFile } from "../../pull/borg.ts";
import { prune } from "../../pull/care/prune.ts";
import { care } from "../../pull/care.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { runJob } from "../../pull/run.ts";
import { gate } from "../../pull/trust/gate.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { openProgram, type Program } from "./program.ts";
import { backUp, borgByHand, borgOf, careJob, makeLocalJob, stateOf } from "./prune-fixture.ts";
import { editJob, makeHome, waitFor } from "./pull-fixture.ts";

const day = 24 * 3600 * 1000;
const now = Date.now();
const ago = (days: number) => now - days * day;

const names = async ({ repository, passphraseFile }: JobFile) =>
  (await listArchives({ repository, passphraseFile, checkpoints: true })).map(({ name }) => name).toSorted();
const ledgerOf = () => openLedger(homePaths().stateDb);

describe("by `keep`", { timeout: 300_000 }, () => {
  let home: ReturnType<typeof makeHome>;
  let job: JobFile;
  const made: Record<string, string> = {};

  before(async () => {
    home = makeHome();
    job = await makeLocalJob(home.folder, "web1", { daily: 2 });
    await borgByHand(job, ["create", "REPO::before", "/etc/hostname"]);
    made.old = await backUp(job, ago(9));
    made.ahead = await backUp(job, ago(8), { timestamp: "2031-01-01T00:00:00" });
    made.partial = await backUp(job, ago(7), { suffix: ".checkpoint" });
    made.first = await backUp(job, ago(2), { timestamp: "2001-01-01T00:00:00" });
    made.newest = await backUp(job, ago(1), { timestamp: "2001-01-01T00:00:00" });
  });
  after(() => home?.[Symbol.dispose]());

  it("shows what would stay and go and why, and removes nothing", async () => {
    const there = await names(job);
    const { code, stdout, stderr } = await borgpull(["prune", "web1", "--dry-run"]);
    assert.equal(code, 0, stderr);
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => line.replace(/ {2,}[-\d]+ [\d:]+ {2,}/, " ").replace(/ {2,}/g, " "));
    assert.deepEqual(rows, [
      `stays ${made.newest} daily #1`,
      `stays ${made.first} daily #2`,
      `goes ${made.partial} left by an interrupted run, and a newer one is good`,
      `goes ${made.ahead} no rule keeps it`,
      `goes ${made.old} no rule keeps it`,
      "stays before from before borgpull",
      "web1: 3 of 6 archives would stay, 3 would go",
    ]);
    assert.deepEqual(await names(job), there);
  });

  it("removes nothing while a breach is open, whoever asks, and goes on when a person has accepted", async () => {
    await borgByHand(job, ["create", "REPO::strange", "/etc/hostname"]);
    const there = await names(job);
    for (const verb of ["prune", "compact"]) {
      const { code, stderr } = await borgpull([verb, "web1"]);
      assert.equal(code, 3, stderr);
      assert.match(stderr, /tampered with.*archive strange has appeared.*borgpull rollback web1/);
    }
    using ledger = ledgerOf();
    assert.deepEqual(await care({ job, ledger }), []);
    assert.deepEqual([await names(job), ledger.lastDone("web1", "prune")], [there, undefined]);
    ledger.resolveBreaches("web1", "accept");
  });

  it("leaves a run good when it cannot be done, and warns", async () => {
    const there = await names(job);
    using ledger = ledgerOf();
    const impatient = { ...job, limits: { ...job.limits, lockWaitSeconds: 1 } };
    const lock = path.join(job.repository, "lock.exclusive");
    fs.mkdirSync(lock);
    fs.writeFileSync(path.join(lock, "another.host@1.1-0"), "");
    const [locked] = await care({ job: impatient, ledger });
    fs.rmSync(lock, { recursive: true });
    assert.match(locked ?? "", /^The backup is made; .*locked by process 1 of another\.host@1/);
    const [cancelled] = await care({ job, ledger, signal: AbortSignal.abort() });
    assert.match(cancelled ?? "", /^The backup is made; .*it was cancelled/);
    assert.deepEqual([await names(job), ledger.lastDone("web1", "prune")], [there, undefined]);
  });

  it("removes by home's own clock, and neither what is foreign nor what was there before", async () => {
    const { code, stdout, stderr } = await borgpull(["prune", "web1"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /web1: 4 of 7 archives stay, 3 are removed\n$/);
    assert.deepEqual(await names(job), [made.newest, made.first, "before", "strange"].toSorted());
    using ledger = ledgerOf();
    const gone = ledger.archives(ledgerKey(job)).filter((archive) => archive.gone?.why === "pruned");
    assert.deepEqual(
      gone.map(({ name }) => name).toSorted(),
      [made.old, made.ahead, made.partial].toSorted(),
    );
    assert.deepEqual([ledger.openOperations("web1"), ledger.openBreaches("web1")], [[], []]);
    assert.equal(ledger.mark(ledgerKey(job))?.why, "prune");
    assert.equal(ledger.lastGood("web1")?.archive?.name, made.newest);
  });

  it("frees the room of what was removed, and says how much", async () => {
    const { code, stdout, stderr } = await borgpull(["compact", "web1"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^web1: [\d.]+ kB freed\n$/);
    using ledger = ledgerOf();
    assert.equal(ledger.mark(ledgerKey(job))?.why, "compact");
    assert.deepEqual(await gate({ job, ledger }), {});
    assert.equal(await checkRepository(job), undefined);
  });

  it("is told when the job keeps everything", async () => {
    const { keep: _, ...rest } = job;
    fs.writeFileSync(homePaths().jobFile("web1"), JSON.stringify(rest));
    const { code, stderr } = await borgpull(["prune", "web1"]);
    assert.equal(code, 2);
    assert.match(stderr, /has no `keep`: all of its archives stay/);
  });
});

describe("killed with -9", { timeout: 300_000 }, () => {
  let home: ReturnType<typeof makeHome>;
  /** Homes to be copied: three archives of which one is to stay; and the same with two of them pruned. */
  const templates: Record<"prune" | "compact", string> = { prune: "", compact: "" };
  let newest: string;
  let copies = 0;

  /** A copy of a home, at which the environment points from then on. */
  const copyOf = (folder: string): { readonly folder: string; readonly job: JobFile } => {
    const copy = path.join(home.folder, `copy-${++copies}`);
    fs.cpSync(folder, copy, { recursive: true });
    process.env.BORGPULL_CONFIG = path.join(copy, "config");
    process.env.BORGPULL_STATE = path.join(copy, "state");
    const file = homePaths().jobFile("web1");
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replaceAll(folder, copy));
    return { folder: copy, job: readJobFile(file) };
  };

  before(async () => {
    home = makeHome();
    const job = await makeLocalJob(home.folder, "web1", { daily: 1 });
    for (const days of [3, 2, 1]) newest = await backUp(job, ago(days), { files: 400 });
    templates.prune = `${home.folder}-template`;
    fs.cpSync(home.folder, templates.prune, { recursive: true });
    const file = path.join(templates.prune, "config/jobs/web1.json");
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replaceAll(home.folder, templates.prune));
    const pruned = copyOf(templates.prune);
    using ledger = ledgerOf();
    await prune({ job: pruned.job, ledger });
    templates.compact = pruned.folder;
  });
  after(() => {
    home?.[Symbol.dispose]();
    fs.rmSync(`${home?.folder}-template`, { recursive: true, force: true });
  });

  const isOpen = () => {
    using ledger = ledgerOf();
    return ledger.openOperations("web1").length > 0;
  };
  /** What is killed when; each ends with the operation recorded as begun and not as ended. */
  const moments: Readonly<Record<string, (verb: "prune" | "compact") => Promise<void>>> = {
    "home, as it begins, and its borg with it": async (verb) => {
      const child = careJob(verb, "web1", "go on");
      let pid: number | undefined;
      await waitFor("its borg", () => {
        pid = isOpen() ? borgOf(child.pid as number) : undefined;
        return pid !== undefined;
      });
      const begun = pid as unknown as number;
      process.kill(begun, "SIGSTOP"); // it would end by itself soon
      child.kill("SIGKILL");
      await once(child, "close");
      const ended = () => stateOf(begun) === undefined;
      await waitFor("the end of borg", ended).finally(() => ended() || process.kill(begun, "SIGKILL"));
    },
    "home, in the middle": async (verb) => {
      const [, signal] = await once(careJob(verb, "web1", "die"), "close");
      assert.equal(signal, "SIGKILL");
    },
    "home, when its borg has ended": async (verb) => {
      const child = careJob(verb, "web1", "stop");
      const pid = child.pid as number;
      await waitFor("home to stop", () => stateOf(pid) === "T");
      await waitFor("the end of its borg", () => borgOf(pid) === undefined);
      child.kill("SIGKILL");
      await once(child, "close");
    },
    "borg, in the middle": async (verb) => {
      const [code] = await once(careJob(verb, "web1", "kill borg"), "close");
      assert.equal(code, 2);
    },
  };

  for (const verb of ["prune", "compact"] as const) {
    for (const [moment, kill] of Object.entries(moments)) {
      it(`${verb}: ${moment}; the next run is good, finds no breach and does what was left`, async () => {
        const { folder, job } = copyOf(templates[verb]);
        await kill(verb);
        using ledger = ledgerOf();
        assert.deepEqual(
          ledger.openOperations("web1").map(({ kind }) => kind),
          [verb],
        );
        const latest = await backUp(job, now);
        assert.deepEqual([ledger.openOperations("web1"), ledger.openBreaches("web1")], [[], []]);
        const present = () =>
          ledger.archives(ledgerKey(job)).flatMap(({ name, gone }) => (gone ? [] : [name]));
        assert.ok(present().includes(newest));

        assert.deepEqual(await care({ job, ledger, now: now + 8 * day }), []);
        assert.deepEqual(ledger.openBreaches("web1"), []);
        assert.deepEqual(present(), [latest]);
        assert.equal(await checkRepository(job), undefined);
        fs.rmSync(folder, { recursive: true });
      });
    }
  }
});

describe("after a pull of a VPS", { timeout: 300_000 }, () => {
  let program: Program;
  let job: JobFile;
  const file = () => homePaths().jobFile("web1");
  const never = { env: { BORGPULL_PULL: "never" } };
  const asked = { env: { BORGPULL_PULL: "web1" } };

  before(async () => {
    program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
    for (const name of ["BORGPULL_CONFIG", "BORGPULL_STATE"]) process.env[name] = program.stack.env[name];
    await program.configure({ web1: program.entry("web1", { keep: { hourly: 1 } }) });
    const { code, out } = await program.up();
    assert.equal(code, 0, out);
    job = readJobFile(file());
  });
  after(() => program?.[Symbol.asyncDispose]());

  it("a breach fails `pulumi up` until a person decides, pulls go on, and nothing is removed", async () => {
    await borgByHand(job, ["create", "REPO::strange", "/etc/hostname"]);
    const up = await program.up();
    assert.notEqual(up.code, 0);
    assert.match(up.out, /web1 was tampered with .*archive strange has appeared.*borgpull accept web1/);
    const again = await program.up(never);
    assert.notEqual(again.code, 0);
    assert.match(again.out, /web1 was tampered with/);

    const seen = await program.preview({ ...never, args: ["--expect-no-changes"] });
    assert.equal(seen.code, 7);
    assert.match(
      seen.out,
      /trust *: "tampered: archive strange has appeared, which no run of ours made" => "good"/,
    );
    assert.equal((await names(job)).length, 3);
    using ledger = ledgerOf();
    assert.deepEqual([ledger.lastDone("web1", "prune"), ledger.openOperations("web1")], [undefined, []]);

    ledger.resolveBreaches("web1", "accept");
    assert.equal(await program.clean(), 0);
  });

  it("the next good pull prunes, which is no drift, and frees nothing yet: a week to take it back", async () => {
    const { code, out } = await program.up(asked);
    assert.equal(code, 0, out);
    using ledger = ledgerOf();
    const newest = ledger.lastGood("web1")?.archive?.name;
    assert.deepEqual(await names(job), ["strange", newest]);
    assert.deepEqual(
      ledger.events("web1", 1).map(({ kind, text }) => [kind, text]),
      [["prune", "2 archive(s) removed"]],
    );
    assert.equal(await program.clean(), 0);
  });

  it("the VPS takes it: its next pull is good, compacts what is old enough, adds little, and comes back as it was", async () => {
    editJob(file(), (data) => ({ ...data, care: { ...data.care, compact: 1 } }));
    const result = await runJob(file());
    assert.equal(result.outcome, "good", JSON.stringify(result.failure));
    using ledger = ledgerOf();
    assert.match(ledger.lastEvent("web1", "compact")?.text ?? "none", /^[\d.]+ .?B freed$/);
    assert.ok(result.archive && result.figures);
    assert.ok(result.figures.newBytes < result.figures.originalBytes / 20, JSON.stringify(result.figures));
    const to = path.join(path.dirname(program.stack.repositories), "restored");
    const restored = await restoreFile({ ...job, archive: result.archive.name, path: "/etc/shadow", to });
    assert.deepEqual(
      fs.readFileSync(restored),
      fs.readFileSync(path.join(program.host("web1").root, "etc/shadow")),
    );
    assert.equal((await names(job)).length, 3, "a week has not passed");
    assert.equal(await checkRepository(job), undefined);
  });
});

const ledgerKey = ({ repository }: JobFile): string =>
  /^id = (.+)$/m.exec(fs.readFileSync(path.join(repository, "config"), "utf8"))?.[1] as string;
