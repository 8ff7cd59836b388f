import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { takeSlot } from "../../pull/attempts/queue.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { lockJob } from "../../pull/lock.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { borgpull, program } from "../borgpull.ts";
import { editJob, furnishVps, makeHome, makeJob, remains, settings, waitFor } from "./pull-fixture.ts";

const jobs = ["db1", "web1"] as const;
type Job = (typeof jobs)[number];

let lab: Lab;
let home: ReturnType<typeof makeHome>;
let host: Host;
let sound: ReadonlyMap<Job, string>;

before(async () => {
  lab = await openLab();
  home = makeHome();
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  for (const job of jobs) await makeJob(home, host, job);
  await furnishVps(host, "web1");
  await letIn("db1");
  for (const job of jobs) await settings(host, job, { roots: ["/etc/hostname"] });
  sound = new Map(jobs.map((job) => [job, fs.readFileSync(fileOf(job), "utf8")]));
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

/** What a test that failed has left at work holds its slots. */
const started = new Set<ChildProcess>();
afterEach(() => {
  for (const { exitCode, signalCode, pid } of started) {
    if (exitCode === null && signalCode === null) process.kill(-(pid as number), "SIGKILL");
  }
  started.clear();
  for (const [job, text] of sound) fs.writeFileSync(fileOf(job), text);
});

/** A line for another job's key, as `furnishVps` writes the first. */
async function letIn(job: Job): Promise<void> {
  const { authorizedKeys, borgctl } = vpsPaths("borgpull");
  const key = fs.readFileSync(`${homePaths().pullKey(job)}.pub`, "utf8").trim();
  const options = 'restrict,port-forwarding,permitlisten="localhost:1",permitopen="localhost:1"';
  await host.run(`cat >> ${authorizedKeys}`, {
    stdin: `${options},command="exec ${borgctl} ${job}" ${key}\n`,
  });
}

const fileOf = (job: Job) => homePaths().jobFile(job);

function setJob(job: Job, parts: Partial<Omit<JobFile, "limits">>, limits: Partial<JobFile["limits"]> = {}) {
  editJob(fileOf(job), (data) => ({ ...data, ...parts, limits: { ...data.limits, ...limits } }));
}

const toPort = (job: Job, port: number) =>
  setJob(job, { pull: { ...readJobFile(fileOf(job)).pull, host: "127.0.0.1", port } });

const runsOf = (job: Job) => {
  using ledger = openLedger(homePaths().stateDb);
  return ledger.runs(job, 100);
};

/** `borgpull run` in the background; what it has said so far grows. */
function start(...words: string[]) {
  const child = spawn(program, ["run", ...words], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  started.add(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const closed = once(child, "close");
  return {
    interrupt: () => process.kill(-(child.pid as number), "SIGINT"),
    stopReading: () => child.stdout.destroy(),
    says: (text: string) => waitFor(`"${text}" in: ${said}`, () => said.includes(text), 60),
    end: async () => ({ code: (await closed)[0] as number | null, said }),
  };
}

test("borgpull run prints the archive and its figures, and exits with 0", async () => {
  const { code, stdout, stderr } = await borgpull(["run", "web1"]);
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^web1: good, [\d,]+ files, [\d.]+ .?B read, [\d.]+ .?B new, [\d.]+ s, archive web1-\d{8}t\d{6}z-[0-9a-f]{12}\n$/,
  );
  assert.equal(stderr, "web1: pulling\n");
});

test("--all --json pulls every job, and writes an object a line and nothing else", async () => {
  const { code, stdout, stderr } = await borgpull(["run", "--all", "--json"]);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; job: string; outcome?: string });
  for (const type of ["start", "end"]) {
    const of = events.filter((event) => event.type === type);
    assert.deepEqual(of.map(({ job }) => job).sort(), [...jobs]);
  }
  assert.ok(events.filter(({ type }) => type === "end").every(({ outcome }) => outcome === "good"));
});

test("when no backup is stale, --stale does nothing and says so", async () => {
  const { code, stdout, stderr } = await borgpull(["run", "--stale"]);
  assert.deepEqual([code, stdout, stderr], [0, "No backup is stale.\n", ""]);
});

test("a job that somebody works on is refused by name; --all and --stale leave it to them", async () => {
  using _lock = lockJob(homePaths().lock("web1"), "web1");
  const named = await borgpull(["run", "web1"]);
  assert.equal(named.code, 75);
  assert.match(named.stderr, /^web1: Job web1 is being worked on by process \d+, since .* Wait until/);
  setJob("web1", { staleAfterSeconds: 1 });
  const { finished = 0 } = runsOf("web1")[0] ?? {};
  await waitFor("web1 to be stale", () => Date.now() - finished > 1000);
  const stale = await borgpull(["run", "--stale"]);
  assert.equal(stale.code, 0, stale.stderr);
  assert.match(stale.stdout, /^web1: left out\. Job web1 is being worked on by process \d+.*\n$/);
});

/** What another process that pulls has, of a home where one job at a time may be pulled. */
function othersRun(): Promise<Disposable> {
  setJob("db1", { maxParallel: 1 });
  return takeSlot({ folder: homePaths().slots, job: "web1", limit: 1 });
}

test("where maxParallel are under way a run waits for one of them to end, whosever it is", async () => {
  const other = await othersRun();
  const before = runsOf("db1").length;
  const run = start("db1");
  await run.says("db1: waiting for another pull to end (web1)");
  assert.equal(runsOf("db1").length, before, "waiting is no run");
  other[Symbol.dispose]();
  const { code, said } = await run.end();
  assert.equal(code, 0, said);
  assert.match(said, /db1: pulling\n(.*\n)*db1: good/);
});

test("Ctrl-C ends the waiting for a turn, before there was any run", async () => {
  using _other = await othersRun();
  const before = runsOf("db1").length;
  const run = start("db1");
  await run.says("waiting for another pull");
  run.interrupt();
  const { code, said } = await run.end();
  assert.equal(code, 2, said);
  assert.match(said, /The run of db1 was cancelled before it began/);
  assert.equal(runsOf("db1").length, before);
});

test("a host whose port opens in between: each try is a run of its own, and the last one is good", async () => {
  using port = await closedPort();
  const { pull } = readJobFile(fileOf("db1"));
  toPort("db1", port.number);
  setJob("db1", {}, { retries: 5, retryWaitSeconds: 1 });
  const before = runsOf("db1").length;
  const run = start("db1");
  await run.says(`db1: [127.0.0.1]:${port.number} cannot be reached; trying again in 1 s (2 of 6)`);
  await port.open({ host: pull.host, port: pull.port });
  const { code, said } = await run.end();
  assert.equal(code, 0, said);
  const [last, ...failed] = runsOf("db1").slice(0, -before);
  assert.equal(last?.outcome, "good");
  assert.ok(failed.length > 0);
  for (const { failure } of failed) assert.equal(failure?.kind, "unreachable");
});

test("Ctrl-C ends the waiting for a host, and the exit code is that of the last try", async () => {
  using port = await closedPort();
  toPort("db1", port.number);
  setJob("db1", {}, { retries: 1, retryWaitSeconds: 900 });
  const run = start("db1");
  await run.says("trying again in 900 s (2 of 2)");
  run.interrupt();
  const { code, said } = await run.end();
  assert.equal(code, 75, said);
});

test("too little room at home: nothing is connected, and the run says how much there is and what to do", async () => {
  toPort("db1", 1); // nobody answers there: a run that connected would say so
  setJob("db1", {}, { freeBytes: 9e15 });
  const { code, stderr } = await borgpull(["run", "db1"]);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /db1: failed \(disk-full-home\)\. Only [\d.]+ .?B are free on the disk of \/.*; a run begins with at least 9.0 PB\. Make room/,
  );
  assert.equal(runsOf("db1")[0]?.failure?.kind, "disk-full-home");
});

test("who reads the output may go away: the run comes to its own end all the same", async () => {
  setJob("db1", {}, { freeBytes: 9e15 });
  const other = await othersRun();
  const run = start("db1", "--json");
  await run.says("waiting for another pull");
  run.stopReading();
  other[Symbol.dispose]();
  const { code, said } = await run.end();
  assert.equal(code, 2, said);
});

test("in GitHub's Actions what is not good is annotated, and the summary has a row a job", async () => {
  await settings(host, "web1", { roots: ["/etc/hostname", "/nowhere"] });
  toPort("db1", 1);
  const summary = path.join(home.folder, "summary.md");
  const env = { GITHUB_ACTIONS: "true", GITHUB_STEP_SUMMARY: summary };
  const { code, stdout } = await borgpull(["run", "web1", "db1"], { env });
  assert.equal(code, 75, "a failure counts for more than a warning");
  assert.match(stdout, /^::group::web1: \d+ note\(s\)\nweb1: .*nowhere.*\n(.*\n)*?::endgroup::$/m);
  assert.match(stdout, /^::warning title=borgpull%3A web1::warning, .*%0A.*nowhere/m);
  assert.match(stdout, /^::error title=borgpull%3A db1::failed \(unreachable\)/m);
  const table = fs.readFileSync(summary, "utf8");
  assert.match(table, /^\| web1 \| warning \|/m);
  assert.match(table, /^\| db1 \| failed \|/m);
});

test("on a terminal what is done stays above the lines of what runs; Ctrl-C ends that on both sides", async () => {
  await host.run("head -c 200M /dev/urandom > /srv/big");
  await settings(host, "web1", { roots: ["/srv"], conf: { compression: "lzma,9" } });
  setJob("web1", { hooksAtHome: { after: { run: "echo unmounted", timeoutSeconds: 30 } } });
  const terminal = onTerminal("web1", "db1");
  await terminal.shows("db1: good");
  const left = () => remains(host, readJobFile(fileOf("web1")));
  await waitFor("borg on the VPS", async () =>
    (await left()).some((line) => line.includes("borg --log-json")),
  );
  terminal.types("\x03"); // which reaches every process of the terminal
  const { code, screen } = await terminal.end();
  assert.equal(code, 2, screen);
  const [above = "", below = ""] = screen.split(/db1: good[^\r\n]*/);
  assert.match(above, /web1: pulling/);
  assert.match(below, /web1: pulling/, "drawn anew below what is done");
  assert.match(below, /web1: ending/);
  assert.match(below, /web1: after hook at home: unmounted/);
  assert.match(below, /web1: failed \(cancelled\)/);
  assert.ok(screen.lastIndexOf("\x1b[?25h") > screen.lastIndexOf("\x1b[?25l"), "the cursor is shown again");
  assert.deepEqual(await left(), []);
});

/** `borgpull run` on a terminal of its own, 70 columns wide. */
function onTerminal(...words: string[]) {
  // exec: a dash that waited for it would end of the Ctrl-C itself, with 130.
  const command = `stty rows 20 cols 70; exec ${program} run ${words.join(" ")}`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  started.add(child);
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    screen += text;
  });
  const closed = once(child, "close");
  return {
    types: (keys: string) => child.stdin.write(keys),
    shows: (text: string) => waitFor(`${text} on the terminal`, () => screen.includes(text), 60),
    end: async () => ({ code: (await closed)[0] as number | null, screen: screen.replaceAll("\r\n", "\n") }),
  };
}

test("an unknown job, a home without jobs, and words that do not go together are told in a sentence", async () => {
  const unknown = await borgpull(["run", "nojob"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /There is no job "nojob" on this machine\. There are: /);
  const none = await borgpull(["run", "--all"], {
    env: { BORGPULL_CONFIG: path.join(home.folder, "empty") },
  });
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^No job is declared on this machine \(none is in .*empty\/jobs\)\. Declare one/);
  for (const words of [["run"], ["run", "web1", "--all"]]) {
    const { code, stderr } = await borgpull(words);
    assert.equal(code, 64);
    assert.match(stderr, /^error: name (a job, or --all|jobs, or --all, not both)/);
  }
});

test("host-key prints the keys that the host has, and that they must be compared", async () => {
  const { code, stdout, stderr } = await borgpull(["host-key", host.address]);
  assert.equal(code, 0);
  assert.deepEqual(stdout.trim().split("\n").sort(), [...host.hostKeys].sort());
  assert.match(stderr, /compare/);
});

/** A port of this machine where nobody listens, until it is opened to another place. */
async function closedPort() {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: number } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  const sockets = new Set<net.Socket>();
  return {
    number,
    open: async (to: { readonly host: string; readonly port: number }) => {
      server.on("connection", (near) => {
        const far = net.connect(to);
        for (const socket of [near, far]) sockets.add(socket.on("error", () => near.destroy()));
        near.pipe(far).pipe(near);
      });
      server.listen(number, "127.0.0.1");
      await once(server, "listening");
    },
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
