/** Whom we talk to: the machine with the pinned key and nobody else, called directly or through another, by key file or agent. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as net from "node:net";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { attempt, command } from "../../sandbox/command.ts";
import type { Host } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { openProgram, type Program } from "./program.ts";
import { reloadSshd, waitFor } from "./pull-fixture.ts";

const skip = process.getuid?.() !== 0 && "boots hosts, which needs root: run it with sudo";
const noPull = { env: { BORGPULL_PULL: "never" } };
const checkout = path.resolve(import.meta.dirname, "../..");

/** What each host's sshd wrote while something ran. */
interface Overheard<T> {
  readonly result: T;
  readonly web1: string;
  readonly db1: string;
}

const called = /Connection from \S+ port/;
/** Somebody asked to be let in: the first message after the key exchange, before any signature or secret. */
const asked = /userauth-request for user|Accepted |Failed /;

describe("a host is talked to only when its key is the pinned one", { skip, timeout: 300_000 }, () => {
  let program: Program;
  let web1: Host;
  let db1: Host;

  before(async () => {
    program = await openProgram([
      { name: "web1", base: "debian12", login: "root" },
      { name: "db1", base: "debian13", login: "root" },
    ]);
    web1 = program.host("web1");
    db1 = program.host("db1");
    for (const host of [web1, db1]) {
      await host.run("echo LogLevel DEBUG1 > /etc/ssh/sshd_config.d/00-debug.conf");
      await reloadSshd(host);
    }
  });
  after(() => program?.[Symbol.asyncDispose]());

  async function overheard<T>(work: () => Promise<T>): Promise<Overheard<T>> {
    const mark = async (host: Host) =>
      (await host.run("journalctl --sync; journalctl -q -n 0 --show-cursor"))
        .replace("-- cursor: ", "")
        .trim();
    const [onWeb1, onDb1] = await Promise.all([mark(web1), mark(db1)]);
    const result = await work();
    const log = (host: Host, cursor: string) =>
      host.run(
        `journalctl --sync; journalctl -q -o cat --after-cursor '${cursor}' -t sshd -t sshd-session -t sshd-auth`,
      );
    return { result, web1: await log(web1, onWeb1), db1: await log(db1, onDb1) };
  }

  const up = (env: Readonly<Record<string, string>> = noPull.env) => overheard(() => program.up({ env }));
  const refuses = (out: string, host: Host) =>
    assert.match(out, new RegExp(`${host.address} shows a host key that is not the pinned one`));
  const jobFile = async (job: string): Promise<JobFile> =>
    JSON.parse(await fs.readFile(path.join(program.stack.folder, `home/config/jobs/${job}.json`), "utf8"));

  it("and with another's key is hung up on before a login is tried", async () => {
    const stranger = path.join(program.stack.folder, "stranger");
    await command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger]);
    const hostKey = (await fs.readFile(`${stranger}.pub`, "utf8")).split(" ").slice(0, 2).join(" ");
    await program.configure({ web1: program.entry("web1", { hostKey }) });
    const { result, web1: log } = await up();
    assert.notEqual(result.code, 0);
    refuses(result.out, web1);
    assert.match(log, called);
    assert.doesNotMatch(log, asked);
  });

  it("and so is each of two whose keys are swapped", async () => {
    await program.configure({
      web1: program.entry("web1", { hostKey: db1.hostKeys[0] }),
      db1: program.entry("db1", { hostKey: web1.hostKeys[0] }),
    });
    const { result, ...logs } = await up();
    assert.notEqual(result.code, 0);
    for (const host of [web1, db1]) refuses(result.out, host);
    for (const log of [logs.web1, logs.db1]) {
      assert.match(log, called);
      assert.doesNotMatch(log, asked);
    }
  });

  it("and is not even called when none is pinned", async () => {
    const knownHosts = path.join(program.stack.folder, "nothing");
    await program.configure({ web1: program.entry("web1", { hostKey: undefined, knownHosts }) });
    const { result, web1: log } = await up();
    assert.notEqual(result.code, 0);
    assert.match(result.out, new RegExp(`hosts\\.web1\\.knownHosts: .*has no key of ${web1.address}`));
    assert.match(result.out, new RegExp(`npx borgpull host-key ${web1.address}`));
    assert.doesNotMatch(log, called);
  });

  it("and that goes for a jump host and for what is behind it; with both right, the host behind is made ready and pulled from", async () => {
    await web1.run(`ip route add blackhole ${program.lab.address}/32`);
    assert.equal(await answers(web1.address), false, "no way to it but through db1");
    const through = (jumpKey: string | undefined, hostKey: string | undefined) => {
      const jump = { address: db1.address, hostKey: jumpKey, identity: program.lab.adminKeyFile };
      return program.configure({ web1: program.entry("web1", { hostKey, jump }) });
    };
    await through(web1.hostKeys[0], web1.hostKeys[0]);
    const wrongJump = await up();
    assert.notEqual(wrongJump.result.code, 0);
    refuses(wrongJump.result.out, db1);
    assert.match(wrongJump.db1, called);
    assert.doesNotMatch(wrongJump.db1, asked);
    assert.doesNotMatch(wrongJump.web1, called);

    await through(db1.hostKeys[0], db1.hostKeys[0]);
    const wrongEnd = await up();
    assert.notEqual(wrongEnd.result.code, 0);
    refuses(wrongEnd.result.out, web1);
    assert.match(wrongEnd.web1, called);
    assert.doesNotMatch(wrongEnd.web1, asked);

    await through(db1.hostKeys[0], web1.hostKeys[0]);
    const right = await up({});
    assert.equal(right.result.code, 0, right.result.out);
    assert.match(right.web1, new RegExp(`Accepted publickey for borgpull from ${db1.address}`));
    assert.doesNotMatch(right.web1, new RegExp(`from ${program.lab.address}`));
    assert.match(right.result.out, /web1-pull created/);
    assert.equal(await program.clean(), 0);
    await web1.run(`ip route del blackhole ${program.lab.address}/32`);
  });

  it("and with the right one is asked, and lets us in", async () => {
    await program.configure({ web1: program.entry("web1"), db1: program.entry("db1") });
    const { result, web1: log } = await up();
    assert.equal(result.code, 0, result.out);
    assert.match(log, called);
    assert.match(log, asked);
    assert.equal(await program.clean(), 0);
  });

  it("and is told neither passphrase nor pull key by a pull, when it has another since", async () => {
    const real = db1.hostKeys[0];
    await db1.newHostKeys();
    assert.notEqual(db1.hostKeys[0], real);
    const { result, db1: log } = await overheard(() =>
      attempt([path.join(checkout, "cli/borgpull"), "run", "db1"], {
        env: program.stack.env,
      }),
    );
    assert.notEqual(result.code, 0);
    refuses(result.stderr, db1);
    assert.match(log, called);
    assert.doesNotMatch(log, asked);
  });

  it("and known_hosts pins it as well, with hashed names and with a port of its own", async () => {
    const port = 2222;
    await db1.run(`printf 'Port 22\\nPort ${port}\\n' > /etc/ssh/sshd_config.d/00-port.conf`);
    await reloadSshd(db1);
    const knownHosts = path.join(program.stack.folder, "known_hosts");
    const write = async (keyOfDb1: string | undefined) => {
      const lines = [`${web1.address} ${web1.hostKeys[0]}`, `[${db1.address}]:${port} ${keyOfDb1}`];
      await fs.writeFile(knownHosts, lines.map((line) => `${line}\n`).join(""));
      await command(["ssh-keygen", "-q", "-H", "-f", knownHosts]);
      assert.doesNotMatch(await fs.readFile(knownHosts, "utf8"), /10\.99\./);
    };
    const byFile = { hostKey: undefined, knownHosts, exclude: ["by-known-hosts"] };
    await program.configure({
      web1: program.entry("web1", byFile),
      db1: program.entry("db1", { ...byFile, port }),
    });
    await write(web1.hostKeys[0]);
    const wrong = await up();
    assert.notEqual(wrong.result.code, 0);
    assert.match(
      wrong.result.out,
      new RegExp(`\\[${db1.address}\\]:${port} shows a host key that is not the pinned`),
    );
    assert.doesNotMatch(wrong.db1, asked);

    await write(db1.hostKeys[0]);
    const right = await up();
    assert.equal(right.result.code, 0, right.result.out);
    assert.equal(await program.clean(), 0);
    const { pull } = await jobFile("db1");
    assert.deepEqual([pull.port, pull.hostKeys], [port, [db1.hostKeys[0]]]);
  });

  it("and the administrator's key may be in an ssh agent, with no file of it named anywhere", async () => {
    await using agent = await openAgent(program.stack.folder, program.lab.adminKeyFile);
    const env = { BORGPULL_PULL: "never", SSH_AUTH_SOCK: agent.socket };
    const byAgent = { identity: undefined, exclude: ["by-agent"] };
    await program.configure({ web1: program.entry("web1", byAgent), db1: program.entry("db1", byAgent) });
    const { result } = await up(env);
    assert.equal(result.code, 0, result.out);
    assert.match(await web1.run("cat /etc/borgpull/jobs/web1.patterns"), /by-agent/);
    const job = await jobFile("web1");
    assert.equal(job.admin.auth, "agent");
    assert.ok(!JSON.stringify(job).includes(program.lab.adminKeyFile));
    assert.equal(await program.clean({ env }), 0);

    await command(["ssh-add", "-q", "-D"], { env });
    const empty = await program.up({ env });
    assert.notEqual(empty.code, 0);
    assert.match(empty.out, /does not let root in with the keys of the ssh agent/);
  });
});

/** Whether an ssh server greets at the address within two seconds. */
async function answers(address: string): Promise<boolean> {
  const socket = net.connect({ host: address, port: 22, timeout: 2000 });
  socket.on("timeout", () => socket.destroy());
  try {
    await once(socket, "data", { signal: AbortSignal.timeout(3000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A real ssh-agent with one key in it, ended with the test. */
async function openAgent(
  folder: string,
  keyFile: string,
): Promise<{ readonly socket: string } & AsyncDisposable> {
  const socket = path.join(folder, "agent.sock");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  await waitFor(
    "the agent's socket",
    async () => (await fs.stat(socket).catch(() => undefined)) !== undefined,
  );
  await command(["ssh-add", "-q", keyFile], { env: { SSH_AUTH_SOCK: socket } });
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      const ended = once(agent, "close");
      agent.kill();
      await ended;
    },
  };
}
