import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { borgpull, program } from "../borgpull.ts";
import { editJob, furnishVps, makeHome, makeJob, remains, settings, waitFor } from "./pull-fixture.ts";

let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;
let file: string;

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  file = await makeJob(home, host, "web1");
  await furnishVps(host, "web1");
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

test("borgpull run prints the archive and its figures, and exits with 0", async () => {
  const { code, stdout, stderr } = await borgpull(["run", "web1"]);
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^web1: good, [\d,]+ files, [\d.]+ .?B read, [\d.]+ .?B new, [\d.]+ s, archive web1-\d{8}t\d{6}z-[0-9a-f]{12}\n$/,
  );
  assert.equal(stderr, "");
});

test("a path that is not there: 1, and the warning is told", async () => {
  await settings(host, "web1", { roots: ["/etc/hostname", "/nowhere"] });
  const { code, stderr } = await borgpull(["run", "web1"]);
  assert.equal(code, 1);
  assert.match(stderr, /nowhere/);
});

test("a host that does not answer: 75; together with a good one that is what counts", async () => {
  await settings(host, "web1", { roots: ["/etc/hostname"] });
  const other = await makeJob(home, host, "db1");
  editJob(other, (job) => ({ ...job, pull: { ...job.pull, port: 23 } }));
  const { code, stdout, stderr } = await borgpull(["run", "db1", "web1"]);
  assert.equal(code, 75);
  assert.match(stderr, /db1: failed \(unreachable\)/);
  assert.match(stdout, /web1: good/);
});

test("an unknown job: 2; no job: 64", async () => {
  const unknown = await borgpull(["run", "nojob"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /There is no job file/);
  assert.equal((await borgpull(["run"])).code, 64);
});

test("Ctrl-C, which reaches every process of the terminal, ends the run on both sides", async () => {
  await host.run("head -c 200M /dev/urandom > /srv/big");
  await settings(host, "web1", { roots: ["/srv"], conf: { compression: "lzma,9" } });
  const child = spawn(program, ["run", "web1"], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const stderr = text(child.stderr);
  const job = readJobFile(file);
  await waitFor("borg on both sides", async () =>
    (await remains(host, job)).some((line) => line.includes("borg --log-json")),
  );
  process.kill(-(child.pid as number), "SIGINT");
  const [code] = await once(child, "close");
  assert.equal(code, 2);
  assert.match(await stderr, /cancelled/);
  assert.deepEqual(await remains(host, job), []);
});

test("host-key prints the keys that the host has, and that they must be compared", async () => {
  const { code, stdout, stderr } = await borgpull(["host-key", host.address]);
  assert.equal(code, 0);
  assert.deepEqual(stdout.trim().split("\n").sort(), [...host.hostKeys].sort());
  assert.match(stderr, /compare/);
});
