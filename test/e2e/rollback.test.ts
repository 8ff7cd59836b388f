/**
 * The attacks here go through an unfiltered `borg serve --append-only`, with the job's passphrase, from a machine that belongs to
 * nobody: a stand-in for a hole in the filter that home puts before it.
 */
import assert from "node:assert/strict";
import * as path from "node:path";
import { after, before, suite, test } from "node:test";
import { compact } from "../../pull/care/compact.ts";
import { prune } from "../../pull/care/prune.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { runJob } from "../../pull/run.ts";
import { connect } from "../../remote/connect.ts";
import { sshHost } from "../../remote/ssh.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { editJob, furnishVps, makeHome, makeJob, settings } from "./pull-fixture.ts";
import { archiveNames, contents, ledgerRows, viaServe } from "./rollback-fixture.ts";

let lab: Lab;
let home: ReturnType<typeof makeHome>;
let thief: string;
let web1: Host;
let db1: Host;

before(async () => {
  lab = await openLab();
  home = makeHome();
  thief = path.join(home.folder, "thief");
  [web1, db1] = await Promise.all([
    lab.boot({ name: "web1", base: "debian12", login: "admin" }),
    lab.boot({ name: "db1", base: "debian13", login: "root" }),
  ]);
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

/** A good pull's archive. */
async function pulled(file: string): Promise<string> {
  const { outcome, archive, failure, warnings } = await runJob(file);
  assert.equal(outcome, "good", JSON.stringify([failure, warnings]));
  return archive?.name as string;
}

const runOf = (archive: string): string => archive.replace(/^[a-z0-9]+-/, "");

/** Back to the state after the run that made the archive. */
const rollbackTo = (job: string, archive: string | undefined) =>
  borgpull(["rollback", job, "--yes", "--to", runOf(archive as string)]);

suite("on Debian 12, an archive deleted and two good pulls later", () => {
  let file: string;
  const archives: string[] = [];

  before(async () => {
    file = await makeJob(home, web1, "web1");
    await furnishVps(web1, "web1");
    await settings(web1, "web1", { roots: ["/etc"] });
    archives.push(await pulled(file), await pulled(file));
    viaServe(readJobFile(file), thief, ["delete", `::${archives[0]}`]);
    archives.push(await pulled(file), await pulled(file));
  });

  test("list says what is there, what has vanished and what to do, and exits with 3", async () => {
    const { code, stdout } = await borgpull(["list", "web1"]);
    assert.equal(code, 3);
    const rows = stdout.split("\n").map((line) => line.split(/ {2,}/));
    for (const [index, name] of archives.entries()) {
      const row = rows.find((row) => row.at(-1) === name);
      assert.equal(row?.[1], index === 0 ? "vanished" : "good", stdout);
    }
    assert.match(
      stdout,
      new RegExp(`while no run of ours was recorded:\n(.*\n)*  archive ${archives[0]} has vanished\n`),
    );
    assert.match(stdout, /borgpull rollback web1/);
  });

  test("a dry run shows what would be done, and changes nothing", async () => {
    const { repository } = readJobFile(file);
    const snapshot = () => ({ files: contents(repository), rows: ledgerRows() });
    const earlier = snapshot();
    const { code, stdout } = await borgpull(["rollback", "web1", "--dry-run"]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`back to its state after run ${runOf(archives[1] as string)}`));
    assert.match(stdout, new RegExp(`1 archive comes back:\n.*good .*${archives[0]}\n`));
    assert.match(stdout, new RegExp(`2 archives go:\n.*${archives[2]}\n.*${archives[3]}\n`));
    assert.deepEqual(snapshot(), earlier);
  });

  test("without a terminal and --yes it is shown what would be done, and nothing is: 64", async () => {
    const earlier = ledgerRows();
    const previews = { rollback: "1 archive comes back:\n", accept: "To accept this means for web1:\n" };
    for (const [verb, preview] of Object.entries(previews)) {
      const { code, stdout, stderr } = await borgpull([verb, "web1"]);
      assert.equal(code, 64);
      assert.ok(stdout.includes(preview), stdout);
      assert.match(stderr, /Nothing was changed: .*--yes/);
    }
    assert.deepEqual(ledgerRows(), earlier);
  });

  test("rollback brings it back, forgets borg's caches but no nonce, and the next pull is good", async () => {
    const { code, stdout, stderr } = await borgpull(["rollback", "web1", "--yes"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /rolled back; borg's check found nothing amiss. 1 archive\(s\) came back, 2 went/);
    assert.deepEqual(await archiveNames(readJobFile(file)), archives.slice(0, 2));
    const inside = await web1.run(
      "cd /var/cache/borgpull/read-all; ls .cache/borg; cd .config/borg/security/*; wc -c manifest-timestamp nonce | head -2",
    );
    assert.match(inside, /^CACHEDIR.TAG\n *0 manifest-timestamp\n *16 nonce\n$/);
    archives.push(await pulled(file));
    const listed = await borgpull(["list", "web1", "--all"]);
    assert.equal(listed.code, 0);
    assert.equal(listed.stdout.match(/ rolled back /g)?.length, 2);
    assert.equal(listed.stdout.match(/ good /g)?.length, 3);
    assert.equal((await borgpull(["accept", "web1", "--yes"])).code, 0);
  });

  test("--to goes back to an older run without any breach, and refuses what was rolled back", async () => {
    const refused = await rollbackTo("web1", archives[2]);
    assert.equal(refused.code, 2);
    assert.match(
      refused.stderr,
      new RegExp(`rolled back since.*oldest run .* is ${runOf(archives[0] as string)} `),
    );
    assert.match((await borgpull(["rollback", "web1", "--yes"])).stderr, /name the run .*--to RUN/);
    const { code, stderr } = await rollbackTo("web1", archives[0]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await archiveNames(readJobFile(file)), archives.slice(0, 1));
    await pulled(file);
  });

  test("borg's cache is forgotten with the rights of whom its folder belongs to: planted links lead nowhere", async () => {
    const id = "ab".repeat(32);
    await web1.run(`mkdir -p /root/own/.cache/borg/${id} /root/precious/borg/${id} /root/precious/security/${id} /home/victim/.config/borg
      echo kept | tee /root/own/.cache/borg/${id}/cache /root/precious/borg/${id}/cache > /root/precious/security/${id}/manifest-timestamp
      useradd victim; chmod 755 /root; cd /home/victim
      ln -s /root/precious .cache; ln -s /root/precious/security .config/borg/security; chown -hR victim .`);
    await using connection = await connect(web1.target());
    const host = sshHost(connection);
    assert.equal((await host.run("forget-cache", [id, "/root/own", "/nowhere"])).code, 0);
    assert.equal(await web1.run("find /root/own -mindepth 1"), "/root/own/.cache\n/root/own/.cache/borg\n");
    assert.notEqual((await host.run("forget-cache", [id, "/home/victim"])).code, 0);
    assert.equal(
      await web1.run(`cat /root/precious/borg/${id}/* /root/precious/security/${id}/*`),
      "kept\nkept\n",
    );
  });
});

suite("on Debian 13, after prune and compact at home, an archive deleted and the key's passphrase changed", () => {
  let file: string;
  const archives: string[] = [];

  before(async () => {
    file = await makeJob(home, db1, "db1");
    await furnishVps(db1, "db1");
    await settings(db1, "db1", { roots: ["/etc"] });
    archives.push(await pulled(file), await pulled(file), await pulled(file));
    editJob(file, (job) => ({ ...job, keep: { daily: 1 } }));
    using ledger = openLedger(homePaths().stateDb);
    await prune({ job: readJobFile(file), ledger });
    await compact({ job: readJobFile(file), ledger });
    archives.push(await pulled(file));
    const job = readJobFile(file);
    assert.deepEqual(await archiveNames(job), archives.slice(2));
    viaServe(job, thief, ["delete", `::${archives[2]}`]);
    viaServe(job, thief, ["key", "change-passphrase"], { BORG_NEW_PASSPHRASE: "hostile" });
  });

  test("accept refuses a key that home cannot open", async () => {
    const { code, stderr } = await borgpull(["accept", "db1", "--yes"]);
    assert.equal(code, 2);
    assert.match(stderr, /cannot be accepted, because home cannot read it.*rollback db1/);
  });

  test("what was compacted is refused by name", async () => {
    const { code, stderr } = await rollbackTo("db1", archives[0]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`compacted .*The oldest run .* is ${runOf(archives[3] as string)} `));
  });

  test("without the VPS the repository is mended all the same: 1, and what is left to do is said", async () => {
    editJob(file, (job) => ({ ...job, admin: { ...job.admin, port: 1 } }));
    const { code, stdout, stderr } = await borgpull(["rollback", "db1", "--yes"]);
    assert.equal(code, 1, stderr);
    assert.match(stdout, /put back from\n.*repositories\/db1\/config/);
    assert.match(stderr, /borg's cache on .* still knows what was rolled back, and could not be removed/);
    assert.deepEqual(await archiveNames(readJobFile(file)), archives.slice(2));
    const failed = await runJob(file);
    assert.equal(failed.failure?.kind, "unreachable");
    assert.match(failed.failure?.problem ?? "", /borg's cache on .* could not be removed/);
  });

  test("the next pull removes borg's cache there first, and is good", async () => {
    editJob(file, (job) => ({ ...job, admin: { ...job.admin, port: job.pull.port } }));
    await pulled(file);
    using ledger = openLedger(homePaths().stateDb);
    assert.deepEqual(ledger.openOperations("db1"), []);
    assert.equal((await borgpull(["list", "db1"])).code, 0);
  });
});
