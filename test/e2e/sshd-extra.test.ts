import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "../../remote/connect.ts";
import { ReachError, describe as textOf } from "../../schema/errors.ts";
import { vpsPaths } from "../../schema/paths.ts";
import type { Target } from "../../schema/target.ts";
import { planned } from "./plan.ts";
import { processesOf } from "./processes.ts";
import { openProgram, type Program } from "./program.ts";
import { reloadSshd, waitFor } from "./pull-fixture.ts";

const { dropIn } = vpsPaths("borgpull");
const armed = "/run/borgpull-sshd-restore-60-borgpull";
const never = { env: { BORGPULL_PULL: "never" } };
let program: Program;
let logins: Logins;

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
  await withExtra({});
  logins = keepLoggingIn(program.host("web1").target());
  const { code, out } = await program.up(never);
  assert.equal(code, 0, out);
});
after(async () => {
  await logins?.stop();
  await program?.[Symbol.asyncDispose]();
});

const run = (script: string) => program.host("web1").run(script);
const withExtra = (extra: Readonly<Record<string, string>>) =>
  program.configure({ web1: program.entry("web1", { sshd: { extra } }) });

/** The drop-in, what sshd makes of all its files, and what of a change may be pending. */
const onHost = () =>
  run(`
    stat -c '%n %A %U:%G' /etc/ssh/sshd_config.d/* && sha256sum /etc/ssh/sshd_config.d/*
    sshd -T -C user=borgpull,host=localhost,addr=127.0.0.1
    ls -d /run/borgpull-sshd-restore-* 2>/dev/null
    systemctl list-units --all --no-legend 'borgpull-sshd-restore-*'`);

const inForce = async (keyword: string) =>
  (await run(`sshd -T -C user=borgpull,host=localhost,addr=127.0.0.1 | grep -i '^${keyword} '`)).trim();

interface Logins {
  /** What came of them: every login is of a new connection. */
  stop(): Promise<{
    readonly worked: number;
    readonly longestGapSeconds: number;
    readonly refused: string[];
  }>;
}

/** Logs in as the administrator again and again. That nobody listens is for the moment of a reload; a refusal never is. */
function keepLoggingIn(target: Target): Logins {
  const stopping = new AbortController();
  const refused: string[] = [];
  let [worked, longest, last] = [0, 0, Date.now()];
  const looping = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await using connection = await connect(target, { timeoutSeconds: 20 });
        const { stdout } = await connection.exec("echo in", { timeoutSeconds: 20 });
        if (stdout.toString() === "in\n") {
          worked++;
          longest = Math.max(longest, Date.now() - last);
          last = Date.now();
        }
      } catch (error) {
        const passing =
          error instanceof ReachError && ["unreachable", "connection-lost"].includes(error.failure);
        if (!passing) refused.push(textOf(error));
      }
      await pause(200); // two cores for everything
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await looping;
      return { worked, longestGapSeconds: Math.max(longest, Date.now() - last) / 1000, refused };
    },
  };
}

/** Neither preview nor `up` changes anything, both say why, and with the old config all is clean. */
async function isRefused(extra: Readonly<Record<string, string>>, why: RegExp): Promise<void> {
  const sound = await onHost();
  await withExtra(extra);
  const preview = await program.preview(never);
  const up = await program.up(never);
  assert.match(preview.out, why);
  assert.notEqual(up.code, 0);
  assert.match(up.out, why);
  assert.match(up.out, /the old configuration is in force/i);
  assert.doesNotMatch(up.out, /deleted/, "what depends on the drop-in stays");
  assert.equal(await onHost(), sound);
  await withExtra({});
  assert.equal(await program.clean(), 0);
}

describe("sshd.extra", { timeout: 600_000 }, () => {
  it("with a value that sshd rejects is refused in sshd's words", () =>
    isRefused({ RekeyLimit: "nonsense" }, /sshd_config\.d\/60-borgpull\.conf.*nonsense/));

  it("with a keyword that sshd does not know is refused in sshd's words", () =>
    isRefused({ NoSuchThing: "1" }, /Bad configuration option: NoSuchThing/));

  it("that an earlier drop-in overrides is refused by the name of the setting", async () => {
    await run("printf 'Match User borgpull\\n  RekeyLimit 2G 1h\\n' > /etc/ssh/sshd_config.d/10-admin.conf");
    await reloadSshd(program.host("web1"));
    await isRefused(
      { RekeyLimit: "1G 1h", IPQoS: "lowdelay" },
      /would not put the whole drop-in in force: RekeyLimit would be "2147483648 3600" instead of "1G 1h"\./,
    );
    await run("rm /etc/ssh/sshd_config.d/10-admin.conf");
    await reloadSshd(program.host("web1"));
  });

  it("that sshd takes is shown line by line, is in force, and goes again", async () => {
    const sound = await onHost();
    await withExtra({ RekeyLimit: "1G 1h" });
    const preview = await program.preview(never);
    const plan = planned(preview.out);
    assert.deepEqual(plan.slice(0, 5), [
      "~ web1-sshd (update)",
      "~ content:",
      "+ RekeyLimit 1G 1h",
      "~ settings: {",
      '+ RekeyLimit: "1G 1h"',
    ]);
    assert.match(plan.slice(5).join("\n"), /^~ web1-audit \(update\)\n~ of: \S+ => \S+$/);
    assert.equal((await program.up(never)).code, 0);
    assert.equal(await inForce("rekeylimit"), "rekeylimit 1073741824 3600");
    assert.equal(await program.clean(), 0, "a value that sshd spells in its own way is no drift");
    await withExtra({});
    assert.equal((await program.up(never)).code, 0);
    assert.equal(await onHost(), sound);
  });

  it("when engine and provider are killed between reload and proof, the host has its old file back within 60 s, by itself", async () => {
    const sound = await onHost();
    await withExtra({ RekeyLimit: "3G 1h" });
    // The proof is a new login that runs `true`: held up until the restore has been, it is the moment between.
    await run(`
      touch /root/.bashrc; cp -p /root/.bashrc /root/bashrc.before
      cat > /root/.bashrc <<'END'
if [ "$BASH_EXECUTION_STRING" = true ] && [ -d ${armed} ]; then
    touch /run/proof-begun
    while [ -d ${armed} ]; do sleep 0.2; done
fi
END`);
    const { child, ended, text } = program.begin(["up", "--yes", "--skip-preview"], never);
    await waitFor("the proof to begin", () =>
      run("test -e /run/proof-begun && echo yes || true").then((said) => said !== ""),
    );
    for (const { pid } of processesOf(program.stack.folder)) process.kill(pid, "SIGKILL");
    await ended;
    const killed = Date.now();
    assert.equal(child.signalCode, "SIGKILL", text());
    assert.match(await run(`cat ${dropIn}`), /RekeyLimit 3G 1h/);
    assert.match(await run("systemctl is-active borgpull-sshd-restore-60-borgpull.timer"), /^active/);

    await waitFor("the old file", async () => (await onHost()) === sound, 70);
    assert.ok(Date.now() - killed < 62_000, `${Date.now() - killed} ms`);
    await run("mv /root/bashrc.before /root/.bashrc");

    const cancel = await program.begin(["cancel", "--yes"]).ended;
    assert.equal(cancel.code, 0, cancel.out);
    await withExtra({});
    assert.equal(await program.clean(), 0, "sshd has read the old file again");
    await withExtra({ RekeyLimit: "3G 1h" });
    const again = await program.up(never);
    assert.equal(again.code, 0, again.out);
    assert.equal(await inForce("rekeylimit"), "rekeylimit 3221225472 3600");
  });

  it("let the administrator in throughout", async () => {
    const { worked, longestGapSeconds, refused } = await logins.stop();
    assert.deepEqual(refused, []);
    assert.ok(worked > 50, `${worked} logins`);
    assert.ok(longestGapSeconds < 10, `nobody could log in for ${longestGapSeconds} s`);
  });
});
