/** Dumps of databases: streamed into the run's archive, one member each of one ZIP file. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, suite, test } from "node:test";
import { restoreFile } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { runJob } from "../../pull/run.ts";
import { connect } from "../../remote/connect.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import * as templates from "../../templates/index.ts";
import { install, ownBase, packagesFor } from "./packages.ts";
import {
  furnishVps,
  makeHome,
  makeJob,
  passphrase,
  put,
  remains,
  settings,
  waitFor,
} from "./pull-fixture.ts";

type Dumps = NonNullable<templates.JobConfData["dumps"]>;
type Conf = Partial<templates.JobConfData>;

let lab: Lab;
let home: ReturnType<typeof makeHome>;
const paths = vpsPaths("borgpull");

before(async () => {
  lab = await openLab();
  home = makeHome();
});
after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

/** A job of that host, with its name; each pull is of these dumps. */
async function makeDumped(host: Host) {
  const job = host.name;
  const file = await makeJob(home, host, job);
  await furnishVps(host, job);
  await host.run("useradd --create-home app; mkdir /srv/data; echo data > /srv/data/file");
  await settings(host, job, { roots: ["/srv/data"] });
  const { repository } = readJobFile(file);
  const passphraseFile = homePaths().passphrase(job);
  return {
    file,
    pull: async (dumps: Dumps, conf: Conf = {}, options: Parameters<typeof runJob>[1] = {}) => {
      const usual = { mark: "test", job, compression: "lz4", oneFileSystem: true, lockWaitSeconds: 10 };
      await put(host, `${paths.jobs}/${job}.conf`, "644", templates.jobConf({ ...usual, ...conf, dumps }));
      return runJob(file, options);
    },
    /** Folder with the members of the ZIP file in that run's archive. */
    unpacked: async (run: string): Promise<string> => {
      const to = path.join(home.folder, "restored", run);
      const archive = `${job}-${run}`;
      const zip = await restoreFile({ repository, passphraseFile, archive, path: "borgpull-dumps.zip", to });
      assert.equal(fs.statSync(zip).mode & 0o777, 0o600);
      execFileSync("python3", ["-m", "zipfile", "-e", zip, path.join(to, "dumps")]);
      return path.join(to, "dumps");
    },
  };
}
type Dumped = Awaited<ReturnType<typeof makeDumped>>;

const app = (run: string) => ({ user: "app", run });

for (const base of ["debian12", "debian13"] as const)
  suite(`dumps of a ${base}`, () => {
    let host: Host;
    let job: Dumped;
    before(async () => {
      host = await lab.boot({ name: `of-${base}`, base, login: "root" });
      job = await makeDumped(host);
    });
    after(() => host?.remove());

    const large = `python3 -c 'import random, sys; random.seed(1); sys.stdout.buffer.write(random.randbytes(5 << 20))'`;
    const dumps = {
      "who.txt": app("id -un; env -u BORGPULL_RUN | sort; cat"),
      "large.bin": { user: "root", run: large },
      empty: app(":"),
      half: app("echo half; echo words >&2; exit 3"),
      missing: app("no-such-dump"),
      whole: app("echo whole"),
    };

    test("are files of their names in one ZIP file; those that fail make the run one with warnings, which names them", async () => {
      const notes: string[] = [];
      const hook = (name: string) => ({
        user: "root",
        run: `echo $BORGPULL_OUTCOME ${name}`,
        timeoutSeconds: 60,
      });
      const hooks = { onError: hook("1"), after: hook("2") };
      const { outcome, warnings, failedDumps, run } = await job.pull(dumps, hooks, {
        onNote: (text) => notes.push(text),
      });
      assert.equal(outcome, "warning");
      assert.match(
        warnings.join("\n"),
        /^The dump half failed with exit code 3, after 5 B: words\nThe dump missing failed with exit code 127, after 0 B: .*no-such-dump: not found$/,
      );
      assert.deepEqual(failedDumps, ["half", "missing"]);
      assert.deepEqual(
        notes.filter((text) => /hook:|dump half:/.test(text)),
        ["dump half: words", "onError hook: warning 1", "after hook: warning 2"],
      );
      const folder = await job.unpacked(run);
      assert.deepEqual(
        fs.readdirSync(folder).toSorted(),
        [...Object.keys(dumps), "half.FAILED", "missing.FAILED"].toSorted(),
      );
      const content = (name: string) => fs.readFileSync(path.join(folder, name), "utf8");
      assert.deepEqual(content("who.txt").split("\n"), [
        "app",
        `BORGPULL_JOB=${host.name}`,
        "HOME=/home/app",
        "LANG=C.UTF-8",
        "LOGNAME=app",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PWD=/",
        "USER=app",
        "",
      ]);
      assert.equal(content("whole"), "whole\n");
      assert.equal(content("half.FAILED"), "exit code 3, after 5 bytes\nwords\n");
      const made = fs.readFileSync(path.join(folder, "large.bin"));
      assert.deepEqual(made, execFileSync("sh", ["-c", large], { maxBuffer: 10 << 20 }));
    });

    test("made again unchanged add next to nothing", async () => {
      const { newBytes = 0, originalBytes = 0 } = (await job.pull(dumps)).figures ?? {};
      assert.ok(originalBytes > 5 << 20 && newBytes < 20_000, `${newBytes} of ${originalBytes}`);
    });
  });

suite("dumps", () => {
  let host: Host;
  let job: Dumped;
  const ofApp = () => host.run("pgrep -u app -a || :");
  before(async () => {
    const binds = await packagesFor("postgresql", "sqlite3");
    host = await lab.boot({ name: "db1", base: ownBase(), login: "root", binds });
    await install(host);
    job = await makeDumped(host);
  });

  const psql = (database: string, sql: string) =>
    host.run(`setpriv --reuid postgres --regid postgres --init-groups psql -qAtd ${database}`, {
      stdin: sql,
    });
  const sqlite = (database: string, sql: string) => host.run(`sqlite3 ${database}`, { stdin: sql });

  test("of PostgreSQL and of a SQLite that is being written to come back as databases that are whole", async () => {
    await psql("postgres", "CREATE DATABASE shop; CREATE DATABASE again;");
    await psql(
      "shop",
      `CREATE TABLE orders (id serial PRIMARY KEY, what text NOT NULL, at timestamptz, CHECK (what <> ''));
       INSERT INTO orders (what, at) SELECT md5(i::text) || E' \\\\ '' ü\\n', '2026-11-22'::timestamptz + i * interval '1 s' FROM generate_series(1, 20000) i;
       CREATE VIEW latest AS SELECT * FROM orders ORDER BY at DESC LIMIT 10;`,
    );
    await host.run("install -d -o app /srv/app");
    await sqlite("/srv/app/db", "PRAGMA journal_mode = WAL; CREATE TABLE pairs (name TEXT, half INTEGER);");
    await host.run(`chown -R app /srv/app
      cat > /root/write <<'END'
i=0; while [ ! -e /root/enough ]; do i=$((i + 1))
  echo "BEGIN; INSERT INTO pairs SELECT 'pair $i', 1 FROM generate_series(1, 20); INSERT INTO pairs SELECT 'pair $i', 2 FROM generate_series(1, 20); COMMIT;"
done | setpriv --reuid app --regid app --init-groups sqlite3 -cmd '.timeout 60000' /srv/app/db
END
      systemd-run --quiet --unit=writer sh /root/write`);
    const count = async () => Number(await sqlite("/srv/app/db", "SELECT count(*) FROM pairs;"));
    await waitFor("the writer", async () => (await count()) > 2000);

    const { outcome, run, failure } = await job.pull({
      "shop.pgdump": { user: "postgres", run: "pg_dump --format=custom shop" },
      "roles.sql": { user: "postgres", run: "pg_dumpall --globals-only" },
      "app.sql": app("sqlite3 -cmd '.timeout 60000' /srv/app/db .dump"),
    });
    const during = await count();
    await host.run("touch /root/enough");
    assert.equal(outcome, "good", JSON.stringify(failure));
    const folder = await job.unpacked(run);
    fs.copyFileSync(path.join(folder, "shop.pgdump"), path.join(host.root, "var/lib/postgresql/shop.pgdump"));
    fs.copyFileSync(path.join(folder, "app.sql"), path.join(host.root, "root/app.sql"));

    await host.run(
      "chown postgres /var/lib/postgresql/shop.pgdump; setpriv --reuid postgres --regid postgres --init-groups pg_restore --exit-on-error --dbname again /var/lib/postgresql/shop.pgdump",
    );
    const all =
      "SELECT count(*), md5(string_agg(orders::text, '|' ORDER BY id)) FROM orders; SELECT * FROM latest; INSERT INTO orders (what) VALUES ('x') RETURNING id;";
    const before = await psql("shop", all);
    assert.match(before, /^20000\|/);
    assert.equal(await psql("again", all), before);

    await host.run("sqlite3 /root/again < /root/app.sql");
    const [whole, odd, dumped] = (
      await sqlite(
        "/root/again",
        "PRAGMA integrity_check; SELECT sum(half = 1) - sum(half = 2) FROM pairs; SELECT count(*) FROM pairs;",
      )
    ).split("\n");
    assert.deepEqual([whole, odd], ["ok", "0"]);
    assert.ok(Number(dumped) >= 2000 && Number(dumped) < during, `${dumped} of ${during}`);
  });

  test("see the passphrase in no environment, no command line and no open file", async () => {
    const look = `cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; echo
      find /proc/$$/fd -type l -printf 'open: %l\\n'; :`;
    const { outcome, run } = await job.pull({ look: app(look) });
    assert.equal(outcome, "good");
    const seen = fs.readFileSync(path.join(await job.unpacked(run), "look"), "latin1");
    assert.ok(seen.includes(`BORGPULL_RUN=${run}`), "it sees itself");
    assert.ok(!seen.includes(passphrase.slice(0, 12)));
    const open = new Set(seen.match(/^open: .*/gm)?.map((line) => line.replace(/\d+/, "N")));
    assert.deepEqual([...open], ["open: /dev/null", "open: pipe:[N]"]);
  });

  test("without an end are ended when the run is cancelled, with all that they have begun", async () => {
    const stop = new AbortController();
    const dumps = { endless: app("touch ~/here; sleep 1000 & cat /dev/urandom") };
    const ended = job.pull(dumps, {}, { signal: stop.signal });
    await waitFor("the dump", async () => (await host.run("ls /home/app")).includes("here"));
    stop.abort();
    assert.equal((await ended).failure?.kind, "cancelled");
    assert.deepEqual(await remains(host, readJobFile(job.file)), []);
    assert.equal(await ofApp(), "");
  });

  test("that wait for borg, or for nothing, end with a borg that fails", async () => {
    const { failure } = await job.pull({ waiting: app("sleep 1000") }, { compression: "nonsense" });
    assert.equal(failure?.kind, "borg-error");
    assert.deepEqual(await remains(host, readJobFile(job.file)), []);
    assert.equal(await ofApp(), "");
  });

  test("need python3, and say so before anything is done", async () => {
    await host.run("mv /usr/bin/python3 /usr/bin/python3.away");
    const { failure } = await job.pull({ any: app("echo") });
    await host.run("mv /usr/bin/python3.away /usr/bin/python3");
    assert.equal(failure?.kind, "vps-settings");
    assert.match(
      `${failure?.problem} ${failure?.remedy}`,
      /python3 is not installed, which hooks and dumps need\. .*apt install python3/,
    );
  });

  test("as somebody who does not exist are refused before anything is done", async () => {
    const { failure } = await job.pull({ any: { user: "nobody-there", run: "echo" } });
    assert.match(failure?.problem ?? "", /a hook or a dump is to run as nobody-there, who does not exist/);
  });

  for (const privilege of ["user", "root"] as const)
    test(`are made with privilege ${privilege}, and hooks and hash do their work as well`, async () => {
      await furnishVps(host, host.name, { privilege });
      await settings(host, host.name, { roots: ["/srv/data"] });
      const user = privilege === "user" ? "borgpull" : "app";
      const { outcome, failure, run } = await job.pull(
        { who: { user, run: "id -un" } },
        { before: { user, run: "id -un > /var/tmp/before", timeoutSeconds: 60 } },
      );
      assert.equal(outcome, "good", JSON.stringify(failure));
      assert.equal(fs.readFileSync(path.join(await job.unpacked(run), "who"), "utf8"), `${user}\n`);
      assert.equal(await host.run("cat /var/tmp/before; rm /var/tmp/before"), `${user}\n`);
      await using connection = await connect(readJobFile(job.file).pull);
      const { stdout } = await connection.exec("hash run-20300101", {
        stdin: "/srv/data/file\0/etc/shadow\0",
      });
      const [answer, refused] = stdout.toString().split("\n");
      assert.equal(JSON.parse(answer ?? "").sha256, createHash("sha256").update("data\n").digest("hex"));
      assert.deepEqual(JSON.parse(refused ?? ""), { error: "not-in-this-job" });
    });
});
