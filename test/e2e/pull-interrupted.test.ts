import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { runJob } from "../../pull/run.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import {
  editJob,
  furnishVps,
  makeHome,
  makeJob,
  type Privilege,
  remains,
  settings,
  waitFor,
} from "./pull-fixture.ts";

let lab: Lab;
let home: ReturnType<typeof makeHome>;
const hosts = new Map<string, { readonly host: Host; readonly file: string; readonly job: JobFile }>();

const places: readonly (readonly [string, "debian12" | "debian13", Privilege])[] = [
  ["web1", "debian12", "read-all"],
  ["db1", "debian13", "read-all"],
  ["user1", "debian12", "user"],
];

before(async () => {
  lab = await openLab();
  home = makeHome();
  for (const [name, base, privilege] of places) {
    const host = await lab.boot({ name, base, login: "root" });
    const file = await makeJob(home, host, name);
    await furnishVps(host, name, { privilege });
    await host.run("head -c 200M /dev/urandom > /srv/big");
    hosts.set(name, { host, file, job: readJobFile(file) });
  }
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

const place = (name: string) =>
  hosts.get(name) as { readonly host: Host; readonly file: string; readonly job: JobFile };

/** The pull of 200 MB takes a minute and more: what is to happen in its middle does. */
const slow = (name: string) =>
  settings(place(name).host, name, { roots: ["/srv"], conf: { compression: "lzma,9" } });
const quick = (name: string) => settings(place(name).host, name, { roots: ["/etc"] });

async function nothingRemains(name: string): Promise<void> {
  const { host, job } = place(name);
  let left: readonly string[] = [];
  await waitFor(
    `the end of everything on both sides of ${name}`,
    async () => {
      left = await remains(host, job);
      return left.length === 0;
    },
    20,
  ).catch((error: Error) => assert.deepEqual(left, [], error.message));
}

async function nextRunIsGood(name: string): Promise<void> {
  await quick(name);
  const result = await runJob(place(name).file);
  assert.equal(result.outcome === "failed" ? result.failure : undefined, undefined);
  assert.ok(result.archive);
}

for (const [name] of places) {
  test(`cancelled in the middle, ${name} has no process, lock or socket left when the run returns`, async () => {
    await slow(name);
    const { host, file, job } = place(name);
    const cancel = new AbortController();
    const result = await runJob(file, {
      signal: cancel.signal,
      onProgress: ({ bytesRead }) => {
        if (bytesRead > 0) cancel.abort();
      },
    });
    assert.equal(result.failure?.kind, "cancelled");
    assert.deepEqual(await remains(host, job), []);
    await nextRunIsGood(name);
  });

  test(`its home killed with -9 in the middle, ${name} has nothing left, nor has home; the run is recorded as abandoned`, async () => {
    await slow(name);
    const { file } = place(name);
    const home = spawn(process.execPath, [fileURLToPath(new URL("run-job.ts", import.meta.url)), file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(home.stdout, "data"); // its first progress with bytes read
    home.kill("SIGKILL");
    await once(home, "close");
    await nothingRemains(name);
    await nextRunIsGood(name);
    using ledger = openLedger(homePaths().stateDb);
    assert.deepEqual(
      ledger.runs(name, 2).map(({ outcome }) => outcome === "abandoned"),
      [false, true],
    );
  });
}

test("cancelled in a before hook, the hook is ended and the after hook runs", async () => {
  const { host, file, job } = place("web1");
  await settings(host, "web1", {
    roots: ["/etc"],
    conf: {
      before_user: "nobody",
      before_run: "echo begun; sleep 1000 & exec sh -c 'sleep 1000; : hook-of-the-test'",
      after_user: "root",
      after_run: "touch /root/undone",
    },
  });
  const cancel = new AbortController();
  const result = await runJob(file, {
    signal: cancel.signal,
    onNote: (note) => {
      if (note === "before hook: begun") cancel.abort();
    },
  });
  assert.equal(result.failure?.kind, "cancelled");
  assert.deepEqual(await remains(host, job), []);
  assert.equal(await host.run("pgrep -au nobody || true; ls /root/undone"), "/root/undone\n");
});

test("cancelled before it is connected, it is over at once", async () => {
  const result = await runJob(place("web1").file, { signal: AbortSignal.abort() });
  assert.equal(result.failure?.kind, "cancelled");
});

test("a run that takes too long is ended", async () => {
  await slow("web1");
  const { file, host, job } = place("web1");
  editJob(file, (data) => ({ ...data, limits: { ...data.limits, totalSeconds: 3 } }));
  const result = await runJob(file);
  editJob(file, () => job);
  assert.equal(result.failure?.kind, "timed-out");
  assert.deepEqual(await remains(host, job), []);
});

test("a hook that says nothing for too long is ended", async () => {
  const { file, host, job } = place("web1");
  await settings(host, "web1", {
    roots: ["/etc"],
    conf: { before_user: "nobody", before_run: "sleep 1000" },
  });
  editJob(file, (data) => ({ ...data, limits: { ...data.limits, stallSeconds: 2 } }));
  const result = await runJob(file);
  editJob(file, () => job);
  assert.equal(result.failure?.kind, "stalled");
  assert.deepEqual(await remains(host, job), []);
});

test("the VPS's power cut in the middle: connection lost or stalled, and the next run succeeds", async () => {
  await slow("web1");
  const { file, host, job } = place("web1");
  editJob(file, (data) => ({ ...data, limits: { ...data.limits, stallSeconds: 3 } }));
  let cut: Promise<void> | undefined;
  const result = await runJob(file, {
    onProgress: ({ bytesRead }) => {
      if (bytesRead > 0) cut ??= host.kill();
    },
  });
  await cut;
  editJob(file, () => job);
  assert.match(result.failure?.kind ?? "", /^(connection-lost|stalled)$/);
  await host.start();
  await nothingRemains("web1");
  await nextRunIsGood("web1");
});

test("borg killed on the VPS is an error that names itself, and leaves nothing", async () => {
  await slow("web1");
  const { file, host, job } = place("web1");
  let killed: Promise<string> | undefined;
  const result = await runJob(file, {
    onProgress: ({ bytesRead }) => {
      if (bytesRead > 0) killed ??= host.run("pkill -KILL -f '[b]org .*create'");
    },
  });
  await killed;
  assert.equal(result.failure?.kind, "borg-error", JSON.stringify(result.failure));
  assert.match(result.failure?.problem ?? "", /137/);
  assert.deepEqual(await remains(host, job), []);
  await nextRunIsGood("web1");
});
