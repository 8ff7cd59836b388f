import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { readJobFile } from "../../pull/job.ts";
import { keyExportState } from "../../pull/key-export.ts";
import { openLedger } from "../../pull/ledger.ts";
import type { RunResult } from "../../pull/result.ts";
import { runJob } from "../../pull/run.ts";
import { readConfig } from "../../pull/trust/config-file.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull, program } from "../borgpull.ts";
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

async function goodRun(job: string): Promise<RunResult> {
  const run = await runJob(homePaths().jobFile(job));
  assert.equal(run.outcome, "good", JSON.stringify(run.failure));
  assert.equal(run.breach, undefined);
  return run;
}

/** A VPS with two archives of it. */
async function backedUp(job: string, base: "debian12" | "debian13", login: "root" | "admin") {
  const host = await lab.boot({ name: job, base, login });
  await makeJob(home, host, job);
  await furnishVps(host, job);
  await settings(host, job, { roots: ["/etc/ssh"] });
  const { run, archive } = await goodRun(job);
  const second = await goodRun(job);
  return {
    host,
    first: { run, name: archive?.name as string },
    second: { run: second.run, name: second.archive?.name as string },
  };
}

const standing = (job: string): Readonly<Record<string, string>> => {
  using ledger = openLedger(homePaths().stateDb);
  const { id } = readConfig(readJobFile(homePaths().jobFile(job)).repository);
  return Object.fromEntries(ledger.archives(id).map(({ name, trust, gone }) => [name, gone?.why ?? trust]));
};

for (const [base, login] of [
  ["debian12", "root"],
  ["debian13", "admin"],
] as const) {
  describe(`on ${base}, with the administrator's login ${login}`, () => {
    const job = `on-${base}`;
    let vps: Awaited<ReturnType<typeof backedUp>>;

    before(async () => {
      vps = await backedUp(job, base, login);
    });

    test("root lists and restores with what was printed, and can change nothing; the account of the pulls reaches none of it", async () => {
      const { host, first } = vps;
      await using forward = await forwarding(job);
      assert.ok(!forward.said().includes(passphrase.slice(0, 20)), "the passphrase is not printed");
      assert.match(await there(host, job, "borg list --short"), new RegExp(first.name));
      await there(
        host,
        job,
        `cd "$(mktemp -d)" && borg extract ::${first.name} etc/ssh/sshd_config && cmp etc/ssh/sshd_config /etc/ssh/sshd_config`,
      );
      await assert.rejects(there(host, job, `borg delete ::${first.name}`));
      await assert.rejects(there(host, job, "borg create ::mine /etc/hostname"));
      await forward.says(/only reads \(--write allows it\)/);
      const held = await host.run(
        `grep -rlF "${passphrase.slice(-20)}" ${folder(job)} || true; stat -c %a-%F ${folder(job)}`,
      );
      assert.equal(held.trim(), "700-directory", "no file holds the passphrase");

      const as = (script: string) =>
        host.run(`setpriv --reuid borgpull --regid borgpull --clear-groups sh -c '${script}'`);
      await assert.rejects(as(`cat ${folder(job)}/env`));
      const socket = `${folder(job)}/passphrase`;
      await assert.rejects(
        as(`python3 -c "import socket; socket.socket(socket.AF_UNIX).connect(\\"${socket}\\")"`),
      );

      assert.equal(await forward.end(), 0, forward.said());
      assert.equal(
        (await host.run("ls -d /run/borgpull-attended || true")).trim(),
        "",
        "nothing stays there",
      );
      assert.equal((await host.run("ls -d /root/.cache/borg /root/.config/borg || true")).trim(), "");
    });

    test("with --write what root makes and removes is named at its end and no alarm, and the next run is good", async () => {
      const { host, first } = vps;
      await using forward = await forwarding(job, "--write");
      await there(host, job, `borg create ::mine /etc/hostname && borg delete ::${first.name}`);
      await assert.rejects(there(host, job, "borg key change-passphrase </dev/null"), "its key is home's");
      assert.equal(await forward.end(), 0, forward.said());
      assert.match(forward.said(), new RegExp(`1 archive made: mine\\. 1 archive removed: ${first.name}\\.`));
      assert.deepEqual([standing(job).mine, standing(job)[first.name]], ["attended", "attended"]);
      await goodRun(job);
    });

    if (base === "debian12") {
      test("a changed passphrase opens the repository, the old one is kept, and the next pull is good", async () => {
        const { passphraseFile } = readJobFile(homePaths().jobFile(job));
        await borgpull(["export-key", job]);
        const { code, stdout, stderr } = await borgpull(["passphrase", job]);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /the passphrase is changed/);
        const now = fs.readFileSync(passphraseFile, "utf8").trim();
        assert.match(now, /^[\w-]{43}$/);
        assert.ok(![stdout, stderr].join().includes(now) && !stdout.includes(passphrase));
        const [old = "", ...more] = fs
          .readdirSync(path.dirname(passphraseFile))
          .filter((name) => name.startsWith(`${job}.`))
          .map((name) => path.join(path.dirname(passphraseFile), name));
        assert.deepEqual(more, []);
        assert.ok(stdout.includes(old));
        assert.equal(fs.readFileSync(old, "utf8").trim(), passphrase);
        assert.deepEqual(
          [old, passphraseFile].map((file) => fs.statSync(file).mode & 0o777),
          [0o600, 0o600],
        );
        assert.equal(fs.readdirSync(homePaths().keyCopy(job)).length, 2, "of both keys there is a copy");
        await goodRun(job);
        using ledger = openLedger(homePaths().stateDb);
        assert.equal(keyExportState(ledger, readJobFile(homePaths().jobFile(job))), "changed");
      });

      test("a VPS that uses --write to make holes in good archives is found out", async () => {
        const { host } = vps;
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
    } else {
      test("what was removed with --write comes back with a rollback, and everybody's borg goes on from there", async () => {
        const { host, first, second } = vps;
        const { code, stdout, stderr } = await borgpull(["rollback", job, "--to", second.run, "--yes"]);
        assert.equal(code, 0, stdout + stderr);
        assert.deepEqual([standing(job).mine, standing(job)[first.name]], ["rolled-back", "good"]);
        await using forward = await forwarding(job, "--write");
        await there(host, job, `borg info ::${first.name} && borg create ::again /etc/hostname`);
        assert.equal(await forward.end(), 0, forward.said());
        await goodRun(job);
      });

      test("a connection that is lost ends it, with what had happened; one that was killed is no hindrance", async () => {
        const { host } = vps;
        {
          await using killed = await forwarding(job);
          assert.ok(killed.said());
        }
        await using forward = await forwarding(job, "--write");
        await there(host, job, "borg delete ::again");
        const exited = once(forward.child, "exit");
        await host.run("pkill -KILL -f '[s]shd.*: admin'");
        assert.deepEqual(await exited, [2, null], forward.said());
        assert.match(forward.said(), /The connection to .* was lost\./);
        assert.match(forward.said(), /1 archive removed: again\./);
        await goodRun(job);
      });
    }
  });
}
