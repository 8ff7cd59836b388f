/** The holder of a pull key against runs: several at once, those of another job, and one that he feeds without end. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { listArchives } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { runJob } from "../../pull/run.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { makeHome, makeJob, waitFor } from "../e2e/pull-fixture.ts";
import { addJob, furnish, paths } from "./furnished.ts";
import { silentServer } from "./local-ends.ts";
import { type Client, openssh } from "./openssh.ts";
import { ownRepository } from "./own-repository.ts";
import { fingerprint, isAsItWas } from "./untouched.ts";

let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;
/** Of the job `web1`, which home pulls. */
let jobFile: string;
/** With the key of the job `mail`. */
let thief: Client;
let sound: string;

const sendPassphrase = ["-o", "SendEnv=BORG_PASSPHRASE"];
const anyPassphrase = { BORG_PASSPHRASE: "x" };

/** The before hook of web1 waits for it: the socket is there, and borg has not come yet. */
const go = "/root/go";

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  await host.run(
    `mkdir -p /srv/web /srv/mail; echo page > /srv/web/page; echo mail > /srv/mail/box; touch ${go}`,
  );
  await furnish(host);
  jobFile = await makeJob(home, host, "web1");
  const keys = path.dirname(homePaths().pullKey("web1"));
  const before = { user: "root", run: `until [ -e ${go} ]; do sleep 0.1; done` };
  await addJob(host, "web1", keys, { paths: ["/srv/web"], hooks: { before } });
  thief = openssh(host, await addJob(host, "mail", keys, { paths: ["/srv/mail"] }), home.folder);
});
after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  sound = await fingerprint(host);
});
afterEach(() => isAsItWas(host, sound));

const archives = async () => {
  const { repository, passphraseFile } = readJobFile(jobFile);
  return (await listArchives({ repository, passphraseFile })).map(({ name }) => name);
};

/** A pull of web1 by home, stopped before borg starts; its name, which the thief cannot see, is told. */
async function pullUnderWay() {
  await host.run(`rm ${go}`);
  const ended = runJob(jobFile);
  // both the claim to its name and its socket: borgctl has begun
  const seen = async () => (await host.run(`ls ${paths.run}`)).trim().split("\n");
  await waitFor("the run", async () => (await seen()).length === 2);
  const run = path.parse((await seen())[0] ?? "").name;
  const letGo = async () => {
    await host.run(`touch ${go}`);
    return ended;
  };
  return { run, letGo };
}

test("two runs at once by one key get the job's files each", async () => {
  await using first = await ownRepository(home.folder, "mail");
  await using second = await ownRepository(home.folder, "mail");
  const both = await Promise.all([first.pull(thief, "first-run"), second.pull(thief, "second-run")]);
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
  );
  for (const repository of [first, second]) {
    assert.deepEqual([...(await repository.files()).keys()], ["/srv/mail/box"]);
  }
});

test("a second run of a name that is under way is refused, however long that one takes, and leaves its socket alone", async () => {
  await using silent = await silentServer(home.folder);
  const forward = ["-R", `${paths.run}/same-name.sock:${silent.socket}`];
  const first = thief.begin([...forward, ...sendPassphrase], "create same-name", anyPassphrase);
  await silent.connected();
  await host.run(`find ${paths.run} -mindepth 1 -exec touch -h -d '10 minutes ago' {} +`);
  assert.equal(
    (await thief.ssh(sendPassphrase, "probe", { env: anyPassphrase })).code,
    0,
    "it sweeps what is old",
  );
  const second = await thief.begin(sendPassphrase, "create same-name", anyPassphrase).ended;
  assert.equal(second.code, 201);
  assert.equal(await host.run(`ls ${paths.run}`), "same-name.life\nsame-name.sock\n");
  first.child.stdin.end();
  assert.equal((await first.ended).code, 204);
});

test("a run of another job, known by name, cannot be joined, and is good", async () => {
  const { run, letGo } = await pullUnderWay();
  const intruder = await thief.begin(sendPassphrase, `create ${run}`, anyPassphrase).ended;
  assert.deepEqual([intruder.code, intruder.stdout], [201, ""]);
  const { outcome, archive } = await letGo();
  assert.equal(outcome, "good");
  assert.equal((await archives()).at(-1), archive?.name);
});

for (const encryption of ["repokey", "none"] as const)
  test(`a run of another job whose socket is stolen for a repository of the thief's own (${encryption}) gives him nothing`, async () => {
    await using own = await ownRepository(home.folder, "web1", encryption);
    const { run, letGo } = await pullUnderWay();
    const stealing = thief.begin(["-N", "-R", `${paths.run}/${run}.sock:${own.socket}`]);
    const inode = () => host.run(`stat -c %i ${paths.run}/${run}.sock`);
    const old = await inode();
    await waitFor("the socket to be stolen", async () => (await inode()) !== old);
    const { outcome } = await letGo();
    stealing.child.kill();
    await stealing.ended;
    assert.equal(outcome, "failed");
    assert.deepEqual([...(await own.files())], []);
    assert.equal((await runJob(jobFile)).outcome, "good");
  });

test("input without end takes no memory on the VPS", async () => {
  await using silent = await silentServer(home.folder);
  const forward = ["-R", `${paths.run}/endless-1.sock:${silent.socket}`];
  const run = thief.begin([...forward, ...sendPassphrase], "create endless-1", anyPassphrase);
  await silent.connected();
  const flood = Buffer.alloc(1 << 20, "x");
  for (let i = 0; i < 64; i++) if (!run.child.stdin.write(flood)) await once(run.child.stdin, "drain");
  const largest = await host.run(
    "ps -eo rss=,args= | grep endless-[1] | grep -v borg.--log | sort -rn | head -1",
  );
  assert.ok(Number.parseInt(largest, 10) < 16_000, largest);
  run.child.stdin.end();
  assert.equal((await run.ended).code, 204);
});
