/** `borgpull status`, `metrics` and `watch` as they are called, over records made through the ledger. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { lockJob } from "../../pull/lock.ts";
import { parseTimers, timerQuery } from "../../pull/status/next-run.ts";
import { commandLine, quote } from "../../remote/quote.ts";
import { openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { type FleetHome, hour, makeFleet, makeFleetHome, tellRun, unreachable } from "../fleet.ts";

const root = process.getuid?.() === 0;
const skip = root || process.env.CI ? false : "booting hosts takes root";

describe("six jobs of half a year", () => {
  let home: FleetHome;
  before(() => {
    home = makeFleet(Date.now());
  });
  after(() => home[Symbol.dispose]());

  it("status has a line a job, what to do for each that is not good, and the worst exit code", async () => {
    const { code, stdout } = await borgpull(["status"]);
    const lines = stdout.split("\n");
    assert.match(lines[0] ?? "", /^job +state +age \/ limit +size +per week +next +check +proof$/);
    const states = lines.slice(1, 7).map((line) => line.split(/ +/).slice(0, 2).join(" "));
    assert.deepEqual(states, [
      "db1 good",
      "files stale",
      "mail tampered",
      "shop warning",
      "web1 failed",
      "wiki good",
    ]);
    assert.match(stdout, /mail: .*borgpull rollback mail/s);
    assert.ok(stdout.includes(`web1: ${unreachable.problem}`));
    assert.equal(code, 3);
    assert.ok(!stdout.includes("\u001b"), "colours are for a terminal");
  });

  it("the exit code is that of the jobs that are named", async () => {
    const codes = await Promise.all(
      ["db1", "shop", "web1", "files", "mail"].map(async (job) => (await borgpull(["status", job])).code),
    );
    assert.deepEqual(codes, [0, 1, 2, 4, 3]);
  });

  it("--json has everything, in ASCII", async () => {
    const { code, stdout } = await borgpull(["status", "--json", "web1", "mail"]);
    assert.match(stdout, /^[\n\x20-\x7e]*$/);
    const { jobs } = JSON.parse(stdout) as { jobs: Record<string, unknown>[] };
    assert.deepEqual(
      jobs.map(({ job, state, host }) => [job, state, host]),
      [
        ["web1", "failed", "web1.example.com"],
        ["mail", "tampered", "mail.example.com"],
      ],
    );
    const [web1] = jobs as [{ lastGood: { finished: string }; checks: object; repositoryBytes: number }];
    assert.ok(Date.parse(web1.lastGood.finished) < Date.now() && web1.repositoryBytes > 1e9);
    assert.deepEqual(Object.keys(web1.checks), ["repository", "archives", "data", "proof"]);
    assert.equal(code, 3);
  });

  it("--verbose tells all that is known of a job", async () => {
    const { stdout } = await borgpull(["status", "db1", "--verbose"]);
    for (const known of ["last good backup", "repository", "restore proof", "20 files compared", "trust"]) {
      assert.ok(stdout.includes(known), known);
    }
  });

  it("--nagios is one line with figures, and has Nagios's exit codes", async () => {
    const answers = await Promise.all(
      [["db1"], ["shop"], ["files"], []].map((jobs) => borgpull(["status", "--nagios", ...jobs])),
    );
    const [good, warning, stale, all] = answers.map(({ stdout }) => stdout) as [
      string,
      string,
      string,
      string,
    ];
    assert.deepEqual(
      answers.map(({ code }) => code),
      [0, 1, 2, 2],
    );
    assert.match(
      good,
      /^BORGPULL OK - 1 of 1 job is good \| 'db1_age'=\d+s;;129600;0 'db1_size'=\d+B;;;0\n$/,
    );
    assert.match(warning, /^BORGPULL WARNING - .*shop\.pgdump/);
    assert.match(stale, /^BORGPULL CRITICAL - .*stale/);
    assert.equal(all.trimEnd().split("\n").length, 1);
    assert.equal(all.match(/\|/g)?.length, 1);
  });

  it("metrics writes a file that all may read, in one step, and says what hinders it", async () => {
    const folder = path.join(home.folder, "metrics");
    fs.mkdirSync(folder);
    const out = path.join(folder, "borgpull.prom");
    fs.writeFileSync(out, "before\n", { mode: 0o600 });
    const { ino } = fs.statSync(out);
    assert.equal((await borgpull(["metrics", "--out", out])).code, 0);
    const written = fs.statSync(out);
    assert.equal(written.mode & 0o777, 0o644);
    assert.notEqual(written.ino, ino, "who reads the old one reads it whole");
    assert.match(fs.readFileSync(out, "utf8"), /^borgpull_state\{job="web1",state="failed"\} 1$/m);
    assert.deepEqual(fs.readdirSync(folder), ["borgpull.prom"]);
    const { code, stderr } = await borgpull(["metrics", "--out", path.join(folder, "none/x.prom")]);
    assert.equal(code, 2);
    assert.match(stderr, /cannot be written \(ENOENT\)\. Check that/);
  });
});

it("without a job there is one sentence", async () => {
  using _home = makeFleetHome();
  const { code, stdout } = await borgpull(["status"]);
  assert.match(stdout, /^No job is declared on this machine \(none is in .*\n$/);
  assert.equal(code, 0);
  assert.equal((await borgpull(["status", "--nagios"])).code, 3);
  assert.ok(!fs.existsSync(homePaths().stateDb), "who looks makes nothing");
});

it("a job file that cannot be read and records that are not there are told, and hide no other job", async () => {
  using home = makeFleetHome();
  home.job("web1");
  home.job("web2");
  fs.writeFileSync(homePaths().jobFile("web2"), "{", { mode: 0o600 });
  const { code, stdout } = await borgpull(["status"]);
  assert.match(stdout, /^web1 +never /m);
  assert.match(stdout, /^web2 +unreadable/m);
  assert.match(stdout, /web2\.json is not JSON.*"pulumi up"/s);
  assert.match(stdout, /state\.db is not there/);
  assert.equal(code, 2);
  const unknown = await borgpull(["status", "web3"]);
  assert.match(unknown.stdout, /There is no job "web3" on this machine\. Did you mean web1\?/);
  assert.equal(unknown.code, 2);
});

it("damaged records are UNKNOWN to Nagios", async () => {
  using home = makeFleetHome();
  home.job("web1");
  fs.mkdirSync(path.dirname(homePaths().stateDb), { recursive: true });
  fs.writeFileSync(homePaths().stateDb, "x".repeat(10_000));
  const { code, stdout } = await borgpull(["status", "--nagios"]);
  assert.match(stdout, /^BORGPULL UNKNOWN - .*damaged/);
  assert.equal(code, 3);
});

it("a run is shown as running while its process holds the job's lock, and as one without an end after that", async () => {
  using home = makeFleetHome();
  home.job("web1");
  home.records((at) => {
    tellRun(at, "web1", Date.now() - 8 * hour, { outcome: "good" });
    tellRun(at, "web1", Date.now() - hour, { outcome: "open" });
  });
  {
    using _lock = lockJob(homePaths().lock("web1"), "web1");
    const { code, stdout } = await borgpull(["status"]);
    assert.match(stdout, /^web1 +good .* running /m);
    assert.equal(code, 0);
  }
  const { code, stdout } = await borgpull(["status"]);
  assert.match(stdout, /^web1 +failed /m);
  assert.match(stdout, /came to no\s+end/);
  assert.equal(code, 2);
});

describe("watch", () => {
  it("tells a job's channel once that no good backup came, and nobody else's", async () => {
    using home = makeFleetHome();
    const heard = path.join(home.folder, "heard");
    const notify = {
      me: { kind: "command", run: `echo "$BORGPULL_JOB $BORGPULL_STATE" >>${quote(heard)}` },
    } as const;
    home.job("web1", { notify });
    home.job("web2", { notify });
    home.job("other", { notify, owner: "somebody/else" });
    home.records((at) => {
      for (const job of ["web1", "other"]) tellRun(at, job, Date.now() - 48 * hour, { outcome: "good" });
    });
    // web2 has never run at all, and home has known of it for two days
    const old = new Date(Date.now() - 48 * hour);
    fs.utimesSync(homePaths().jobFile("web2"), old, old);
    const out = path.join(home.folder, "borgpull.prom");
    const words = ["watch", "--owner", "demo/test", "--metrics", out];
    const first = await borgpull(words);
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(fs.readFileSync(heard, "utf8").split("\n").toSorted(), ["", "web1 stale", "web2 stale"]);
    assert.match(fs.readFileSync(out, "utf8"), /job="other"/);
    assert.equal((await borgpull(words)).code, 0);
    assert.equal(fs.readFileSync(heard, "utf8").split("\n").length, 3, "told once");
  });

  it("fails when somebody cannot be told, and when a job file cannot be read, and goes on with the rest", async () => {
    using home = makeFleetHome();
    const heard = path.join(home.folder, "heard");
    home.job("a");
    fs.writeFileSync(homePaths().jobFile("a"), "{", { mode: 0o600 });
    home.job("b", { notify: { broken: { kind: "command", run: "exit 7" } } });
    home.job("c", { notify: { me: { kind: "command", run: `echo heard >>${quote(heard)}` } } });
    home.records((at) => {
      for (const job of ["b", "c"]) {
        tellRun(at, job, Date.now() - hour, { outcome: "failed", failure: unreachable });
      }
    });
    const { code, stderr } = await borgpull(["watch"]);
    assert.equal(code, 2);
    assert.match(stderr, /^a: .*not JSON/m);
    assert.match(stderr, /^b: .*broken/m);
    assert.equal(fs.readFileSync(heard, "utf8"), "heard\n");
  });

  it("tells that home's records are damaged, once, and fails as long as they are", async () => {
    using home = makeFleetHome();
    const heard = path.join(home.folder, "heard");
    const run = `echo "$BORGPULL_STATE $BORGPULL_PROBLEM" >>${quote(heard)}`;
    home.job("web1", { notify: { me: { kind: "command", run } } });
    home.records((at) => tellRun(at, "web1", Date.now() - hour, { outcome: "good" }));
    const { stateDb } = homePaths();
    const whole = fs.readFileSync(stateDb);
    const damage = () => fs.writeFileSync(stateDb, "x".repeat(10_000));
    const lines = () => fs.readFileSync(heard, "utf8").trimEnd().split("\n");
    damage();
    for (const _ of [1, 2]) {
      const { code, stderr } = await borgpull(["watch"]);
      assert.equal(code, 2);
      assert.match(stderr, /^web1: .*state\.db, home's own records, is damaged\. Begin anew/m);
    }
    assert.equal(lines().length, 1);
    assert.match(lines()[0] ?? "", /^failed .*is damaged/);
    fs.writeFileSync(stateDb, whole);
    assert.equal((await borgpull(["watch"])).code, 0);
    damage();
    await borgpull(["watch"]);
    assert.equal(lines().length, 2, "damaged again is told again");
  });

  it("leaves it to a run that tries again to tell that a VPS cannot be reached", async () => {
    using home = makeFleetHome();
    const heard = path.join(home.folder, "heard");
    const notify = { me: { kind: "command", run: `echo "$BORGPULL_JOB" >>${quote(heard)}` } } as const;
    const limits = { ...home.job("now").limits, retries: 2, retryWaitSeconds: 60 };
    for (const job of ["now", "before"]) home.job(job, { notify, limits });
    const failed = { outcome: "failed", failure: unreachable, figures: { seconds: 1 } } as const;
    home.records((at) => {
      tellRun(at, "now", Date.now() - 30_000, failed);
      tellRun(at, "before", Date.now() - 200_000, failed);
    });
    assert.equal((await borgpull(["watch"])).code, 0);
    assert.equal(fs.readFileSync(heard, "utf8"), "before\n");
  });

  it("tells whatever becomes of the metrics", async () => {
    using home = makeFleetHome();
    const heard = path.join(home.folder, "heard");
    home.job("web1", { notify: { me: { kind: "command", run: `echo heard >>${quote(heard)}` } } });
    home.records((at) => tellRun(at, "web1", Date.now() - 48 * hour, { outcome: "good" }));
    const { code, stderr } = await borgpull(["watch", "--metrics", path.join(home.folder, "none/x.prom")]);
    assert.match(stderr, /x\.prom cannot be written/);
    assert.equal(code, 2);
    assert.equal(fs.readFileSync(heard, "utf8"), "heard\n");
  });

  it("takes no owner that is none", async () => {
    using _home = makeFleetHome();
    assert.equal((await borgpull(["watch", "--owner", "demo"])).code, 64);
  });
});

describe("a timer's next time, by its own systemd", { skip, timeout: 300_000 }, () => {
  for (const base of ["debian12", "debian13"] as const) {
    it(`is read on ${base}, of those that are on alone`, async () => {
      await using lab = await openLab();
      const host = await lab.boot({ name: "home", base, login: "root" });
      const ask = () => host.run(`systemctl ${commandLine(timerQuery)}`);
      assert.equal(parseTimers(await ask()).size, 0);
      await host.run(`
        cd /run/systemd/system
        for name in on off; do
          printf '[Timer]\\nOnCalendar=2099-12-31 03:00:00 UTC\\n' >borgpull-$name.timer
          printf '[Service]\\nExecStart=/bin/true\\n' >borgpull-$name.service
        done
        systemctl daemon-reload
        systemctl start borgpull-on.timer`);
      assert.deepEqual(Object.fromEntries(parseTimers(await ask())), {
        "borgpull-on.timer": { kind: "at", time: Date.UTC(2099, 11, 31, 3) },
      });
    });
  }
});
