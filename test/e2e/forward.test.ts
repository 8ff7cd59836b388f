import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { runJob } from "../../pull/run.ts";
import { readConfig } from "../../pull/trust/config-file.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { program } from "../borgpull.ts";
import { furnishVps, makeHome, makeJob, passphrase, settings, waitFor } from "./pull-fixture.ts";

let lab: Lab;
let home: ReturnType<typeof makeHome>;

before(async () => {
  lab = await openLab();
  home = makeHome();
});

after(async () => {
  home?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

const folder = (job: string) => `/run/borgpull-attended/${job}`;

/** `borgpull forward` until it is ready. */
async function forwarding(job: string, ...options: readonly string[]) {
  const child: ChildProcess = spawn(program, ["forward", job, ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (data: string) => {
      text += data;
    });
  }
  const exited = once(child, "exit") as Promise<[number | null]>;
  await waitFor("the forwarding", () => /Ctrl-C here ends it/.test(text) || child.exitCode !== null, 60);
  assert.equal(child.exitCode, null, text);
  return {
    said: () => text,
    says: (what: RegExp) =>
      waitFor(String(what), () => what.test(text)).catch((error) =>
        assert.fail(`${error}, and it says:\n${text}`),
      ),
    child,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    end: async () => {
      child.kill("SIGINT");
      return (await exited)[0];
    },
  };
}

/** As root on the VPS, with what was printed. */
const there = (host: Host, job: string, script: string) =>
  host.run(`. ${folder(job)}/env && ${script}`, { timeoutSeconds: 120 });

for (const [base, login] of [
  ["debian12", "root"],
  ["debian13", "admin"],
] as const) {
  describe(`on ${base}, with the administrator's login ${login}`, () => {
    const job = `on-${base}`;
    let host: Host;
    let file: string;
    let first: string;

    before(async () => {
      host = await lab.boot({ name: job, base, login });
      file = await makeJob(home, host, job);
      await furnishVps(host, job);
      await settings(host, job, { roots: ["/etc/ssh"] });
      for (let n = 0; n < 2; n++) {
        const run = await runJob(file);
        assert.equal(run.outcome, "good", JSON.stringify(run.failure));
        if (n === 0) first = run.archive?.name as string;
      }
    });

    test("root lists and restores with what was printed, and can change nothing", async () => {
      await using forward = await forwarding(job);
      assert.ok(!forward.said().includes(passphrase.slice(0, 20)), "the passphrase is not printed");
      assert.match(await there(host, job, "borg list --short"), new RegExp(first));
      await there(
        host,
        job,
        `cd "$(mktemp -d)" && borg extract ::${first} etc/ssh/sshd_config && cmp etc/ssh/sshd_config /etc/ssh/sshd_config`,
      );
      await assert.rejects(there(host, job, `borg delete ::${first}`));
      await assert.rejects(there(host, job, "borg create ::mine /etc/hostname"));
      await forward.says(/only reads \(--write allows it\)/);
      const held = await host.run(
        `grep -rlF "${passphrase.slice(-20)}" ${folder(job)} || true; stat -c %a-%F ${folder(job)}`,
      );
      assert.equal(held.trim(), "700-directory", "no file holds the passphrase");
      assert.equal(await forward.end(), 0, forward.said());
      assert.equal(
        (await host.run(`ls -A ${folder(job)} /run/borgpull-attended 2>&1 || true`)).includes("env"),
        false,
      );
    });

    test("the account of the pulls reaches neither the socket nor the passphrase", async () => {
      await using forward = await forwarding(job);
      const as = (script: string) =>
        host.run(`setpriv --reuid borgpull --regid borgpull --clear-groups sh -c '${script}'`);
      await assert.rejects(as(`cat ${folder(job)}/env`));
      await assert.rejects(
        as(
          `python3 -c "import socket; socket.socket(socket.AF_UNIX).connect(\\"${folder(job)}/passphrase\\")"`,
        ),
      );
      await forward.end();
    });

    test("with --write what root makes and removes is no alarm, the rest stays whole, and the next run is good", async () => {
      await using forward = await forwarding(job, "--write");
      await there(host, job, `borg create ::mine /etc/hostname && borg delete ::${first}`);
      await assert.rejects(there(host, job, "borg key change-passphrase </dev/null"), "its key is home's");
      assert.equal(await forward.end(), 0, forward.said());
      assert.match(forward.said(), /closed\. 1 archive\(s\) made, 1 removed/);

      using ledger = openLedger(homePaths().stateDb);
      const { id } = readConfig(readJobFile(file).repository);
      const archives = ledger.archives(id);
      assert.equal(archives.find(({ name }) => name === "mine")?.trust, "attended");
      assert.equal(archives.find(({ name }) => name === first)?.gone?.why, "attended");
      const run = await runJob(file);
      assert.equal(run.outcome, "good", JSON.stringify(run.failure));
      assert.deepEqual(ledger.openBreaches(job), []);
    });

    test("a VPS that uses --write to make holes in good archives is found out", async () => {
      await using forward = await forwarding(job, "--write");
      const chunk = await there(
        host,
        job,
        `cd "$(mktemp -d)" && borg debug dump-archive "::$(borg list --short --last 1)" out && tr -d ' \\n' <out | grep -oE '"chunks":\\[\\["(\\\\u007f)?[0-9a-f]{64}' | grep -oE '[0-9a-f]{64}$' | tail -n 1`,
      );
      await there(host, job, `borg debug delete-obj :: ${chunk.trim()}`);
      assert.equal(await forward.end(), 3, forward.said());
      assert.match(forward.said(), /object\(s\) of older archives deleted/);
    });
  });
}

test("a connection that is lost ends it, with what happened", async () => {
  const host = await lab.boot({ name: "lost", base: "debian12", login: "root" });
  await makeJob(home, host, "lost");
  await furnishVps(host, "lost");
  await using forward = await forwarding("lost");
  const exited = once(forward.child, "exit");
  await host.run("pkill -KILL -f '[s]shd: root'");
  const [code] = (await exited) as [number];
  assert.equal(code, 2);
  assert.match(forward.said(), /The connection to .* was lost\. Run it again/);
});
