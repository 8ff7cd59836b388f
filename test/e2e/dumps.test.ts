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
  editJob,
  furnishVps,
  makeHome,
  makeJob,
  type Privilege,
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
async function makeDumped(host: Host, privilege: Privilege = "read-all") {
  const job = host.name;
  const file = await makeJob(home, host, job);
  await furnishVps(host, job, { privilege });
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

    test("are files of their names in one ZIP file; made again unchanged they add next to nothing", async () => {
      const python = `python3 -c 'import random, sys; random.seed(1); sys.stdout.buffer.write(random.randbytes(20 << 20))'`;
      const dumps = {
        "who.txt": app("id -un; env -u BORGPULL_RUN | sort; cat"),
        "large.bin": { user: "root", run: python },
        empty: app(":"),
      };
      const first = await job.pull(dumps);
      assert.equal(first.outcome, "good", JSON.stringify(first));
      const folder = await job.unpacked(first.run);
      assert.deepEqual(fs.readdirSync(folder).toSorted(), ["empty", "large.bin", "who.txt"]);
      assert.deepEqual(fs.readFileSync(path.join(folder, "who.txt"), "utf8").split("\n"), [
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
      const large = fs.readFileSync(path.join(folder, "large.bin"));
      assert.deepEqual(large, execFileSync("sh", ["-c", python], { maxBuffer: 30 << 20 }));
      const second = await job.pull(dumps);
      assert.equal(second.outcome, "good");
      const { newBytes = 0, originalBytes = 0 } = second.figures ?? {};
      assert.ok(originalBytes > 20 << 20 && newBytes < 20_000, `${newBytes} of ${originalBytes}`);
    });

    test("that fail, or whose program is missing, make the run one with warnings, which names them", async () => {
      const notes: string[] = [];
      const { outcome, warnings, run } = await job.pull(
        { half: app("echo half; exit 3"), missing: app("no-such-dump"), whole: app("echo whole") },
        {
          onError: { user: "root", run: "echo onError $BORGPULL_OUTCOME", timeoutSeconds: 60 },
          after: { user: "root", run: "echo after $BORGPULL_OUTCOME", timeoutSeconds: 60 },
        },
        { onNote: (text) => notes.push(text) },
      );
      assert.equal(outcome, "warning");
      assert.match(
        warnings.join("\n"),
        /The dump half failed with exit code 3: 5 B\.\nThe dump missing failed with exit code 127/,
      );
      const folder = await job.unpacked(run);
      assert.deepEqual(fs.readdirSync(folder).toSorted(), [
        "half",
        "half.FAILED",
        "missing",
        "missing.FAILED",
        "whole",
      ]);
      assert.equal(fs.readFileSync(path.join(folder, "half.FAILED"), "utf8"), "exit code 3, after 5 bytes\n");
      assert.equal(fs.readFileSync(path.join(folder, "whole"), "utf8"), "whole\n");
      assert.deepEqual(
        notes.filter((text) => /^(onError|after)/.test(text)),
        ["onError warning", "after warning"],
      );
    });

    test("without an end are ended when the run is cancelled, with all that they have begun", async () => {
      const stop = new AbortController();
      const dumps = { endless: app("touch ~/here; sleep 1000 & cat /dev/urandom") };
      const ended = job.pull(dumps, {}, { signal: stop.signal });
      await waitFor("the dump", async () => (await host.run("ls /home/app")).includes("here"));
      stop.abort();
      assert.equal((await ended).failure?.kind, "cancelled");
      assert.deepEqual(await remains(host, readJobFile(job.file)), []);
      assert.equal(await host.run("pgrep -u app -a || :"), "");
    });
  });

for (const privilege of ["user", "root"] as const)
  test(`with privilege ${privilege} hooks, dumps and hash do their work`, async () => {
    const host = await lab.boot({ name: `as-${privilege}`, base: "debian12", login: "root" });
    const job = await makeDumped(host, privilege);
    const user = privilege === "user" ? "borgpull" : "app";
    const { outcome, failure, run } = await job.pull(
      { who: { user, run: "id -un" } },
      { before: { user, run: "id -un > /tmp/before", timeoutSeconds: 60 } },
    );
    assert.equal(outcome, "good", JSON.stringify(failure));
    assert.equal(fs.readFileSync(path.join(await job.unpacked(run), "who"), "utf8"), `${user}\n`);
    assert.equal(await host.run("cat /tmp/before"), `${user}\n`);
    await using connection = await connect(readJobFile(job.file).pull);
    const { stdout } = await connection.exec("hash run-20300101", { stdin: "/srv/data/file\0/etc/shadow\0" });
    const [answer, refused] = stdout.toString().split("\n");
    assert.equal(JSON.parse(answer ?? "").sha256, createHash("sha256").update("data\n").digest("hex"));
    assert.deepEqual(JSON.parse(refused ?? ""), { error: "not-in-this-job" });
    await host.remove();
  });

suite("dumps", () => {
  let host: Host;
  let job: Dumped;
  before(async () => {
    const binds = await packagesFor("postgresql", "sqlite3");
    host = await lab.boot({ name: "db1", base: ownBase(), login: "root", binds });
    await install(host);
    job = await makeDumped(host);
  });

  /** Edits the script that runs dumps, for the length of one test. */
  async function edited<T>(change: string, work: () => Promise<T>): Promise<T> {
    await host.run(`sed -i.sound '${change}' ${paths.dumps}; ! cmp -s ${paths.dumps} ${paths.dumps}.sound`);
    try {
      return await work();
    } finally {
      await host.run(`mv ${paths.dumps}.sound ${paths.dumps}`);
    }
  }

  test("of PostgreSQL come back as a database that is the same", async () => {
    const psql = (database: string, sql: string) =>
      host.run(`setpriv --reuid postgres --regid postgres --init-groups psql -qAtd ${database}`, {
        stdin: sql,
      });
    await psql("postgres", "CREATE DATABASE shop; CREATE DATABASE again;");
    await psql(
      "shop",
      `CREATE TABLE orders (id serial PRIMARY KEY, what text NOT NULL, at timestamptz, CHECK (what <> ''));
       INSERT INTO orders (what, at) SELECT md5(i::text) || E' \\\\ '' ü\\n', '2026-11-22'::timestamptz + i * interval '1 s' FROM generate_series(1, 50000) i;
       CREATE VIEW latest AS SELECT * FROM orders ORDER BY at DESC LIMIT 10;`,
    );
    const { outcome, run, failure } = await job.pull({
      "shop.pgdump": { user: "postgres", run: "pg_dump --format=custom shop" },
      "roles.sql": { user: "postgres", run: "pg_dumpall --globals-only" },
    });
    assert.equal(outcome, "good", JSON.stringify(failure));
    const dump = path.join(await job.unpacked(run), "shop.pgdump");
    fs.copyFileSync(dump, path.join(host.root, "var/lib/postgresql/shop.pgdump"));
    await host.run(
      "chown postgres /var/lib/postgresql/shop.pgdump; setpriv --reuid postgres --regid postgres --init-groups pg_restore --exit-on-error --dbname again /var/lib/postgresql/shop.pgdump",
    );
    const all =
      "SELECT count(*), md5(string_agg(orders::text, '|' ORDER BY id)) FROM orders; SELECT * FROM latest; INSERT INTO orders (what) VALUES ('x') RETURNING id;";
    const before = await psql("shop", all);
    assert.match(before, /^50000\|/);
    assert.equal(await psql("again", all), before);
  });

  test("of SQLite are whole while it is written to", async () => {
    const sqlite = (database: string, sql: string) => host.run(`sqlite3 ${database}`, { stdin: sql });
    await host.run("install -d -o app /srv/app; ");
    await sqlite("/srv/app/db", "PRAGMA journal_mode = WAL; CREATE TABLE pairs (name TEXT, half INTEGER);");
    await host.run(`chown -R app /srv/app
      cat > /root/write <<'END'
i=0; while [ ! -e /root/enough ]; do i=$((i + 1))
  echo "BEGIN; INSERT INTO pairs SELECT 'pair $i', 1 FROM generate_series(1, 200); INSERT INTO pairs SELECT 'pair $i', 2 FROM generate_series(1, 200); COMMIT;"
done | setpriv --reuid app --regid app --init-groups sqlite3 -cmd '.timeout 60000' /srv/app/db
END
      rm -f /root/enough; systemd-run --quiet --unit=writer sh /root/write`);
    const count = async () => Number(await sqlite("/srv/app/db", "SELECT count(*) FROM pairs;"));
    await waitFor("the writer", async () => (await count()) > 20_000);
    const { outcome, run, failure } = await job.pull({
      "app.sql": app("sqlite3 -cmd '.timeout 60000' /srv/app/db .dump"),
    });
    const during = await count();
    await host.run("touch /root/enough");
    assert.equal(outcome, "good", JSON.stringify(failure));
    fs.copyFileSync(path.join(await job.unpacked(run), "app.sql"), path.join(host.root, "root/app.sql"));
    await host.run("sqlite3 /root/again < /root/app.sql");
    const [sound, odd, dumped] = (
      await sqlite(
        "/root/again",
        "PRAGMA integrity_check; SELECT sum(half = 1) - sum(half = 2) FROM pairs; SELECT count(*) FROM pairs;",
      )
    ).split("\n");
    assert.deepEqual([sound, odd], ["ok", "0"]);
    assert.ok(Number(dumped) >= 20_000 && Number(dumped) < during, `${dumped} of ${during}`);
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

  test("that wait for borg, or for nothing, end with a borg that fails", async () => {
    const { failure } = await job.pull({ waiting: app("sleep 1000") }, { compression: "nonsense" });
    assert.equal(failure?.kind, "borg-error");
    assert.deepEqual(await remains(host, readJobFile(job.file)), []);
    assert.equal(await host.run("pgrep -u app -a || :"), "");
  });

  test("may take long without a word", async () => {
    const { limits } = readJobFile(job.file);
    editJob(job.file, (data) => ({ ...data, limits: { ...limits, stallSeconds: 12 } }));
    const { outcome, failure } = await edited("s/^PULSE_SECONDS = .*/PULSE_SECONDS = 1/", () =>
      job.pull({ slow: app("sleep 14; echo done") }),
    );
    editJob(job.file, (data) => ({ ...data, limits }));
    assert.equal(outcome, "good", JSON.stringify(failure));
  });

  test("that are silent for too long are ended and have failed; the next one is made", async () => {
    const { outcome, warnings, run } = await edited(
      "s/^\\(SILENT\\|PULSE\\)_SECONDS = .*/\\1_SECONDS = 1/",
      () => job.pull({ hung: app("sleep 1000 & wait"), next: app("echo next") }),
    );
    assert.equal(outcome, "warning");
    assert.match(warnings.join("\n"), /The dump hung failed with exit code 124/);
    assert.equal(fs.readFileSync(path.join(await job.unpacked(run), "next"), "utf8"), "next\n");
    assert.equal(await host.run("pgrep -u app -a || :"), "");
  });

  test("need python3, and say so before anything is done", async () => {
    await host.run("mv /usr/bin/python3 /usr/bin/python3.away");
    const { failure } = await job.pull({ any: app("echo") });
    await host.run("mv /usr/bin/python3.away /usr/bin/python3");
    assert.equal(failure?.kind, "vps-settings");
    assert.match(
      `${failure?.problem} ${failure?.remedy}`,
      /python3 is not installed, which dumps needs\. .*apt install python3/,
    );
  });

  test("as somebody who does not exist are refused before anything is done", async () => {
    const { failure } = await job.pull({ any: { user: "nobody-there", run: "echo" } });
    assert.match(failure?.problem ?? "", /a hook or a dump is to run as nobody-there, who does not exist/);
  });
});
