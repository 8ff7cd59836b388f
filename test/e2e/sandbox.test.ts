import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { attempt, command } from "../../sandbox/command.ts";
import { findLabs, type Host, type Lab, openLab } from "../../sandbox/lab.ts";

const root = process.getuid?.() === 0;
const skip = root || process.env.CI ? false : "booting hosts takes root";

describe("a sandbox host", { skip, timeout: 300_000 }, () => {
  let lab: Lab;
  let web1: Host;
  let db1: Host;

  before(async () => {
    lab = await openLab({ say: console.error });
    [web1, db1] = await Promise.all([
      lab.boot({ name: "web1", base: "debian12", login: "root" }),
      lab.boot({ name: "db1", base: "debian13", login: "admin" }),
    ]);
  });
  after(() => lab?.[Symbol.asyncDispose]());

  it("is the Debian that was asked for, with systemd as PID 1 and nothing failed", async () => {
    const seen = async (host: Host) =>
      (
        await host.run(
          ". /etc/os-release; echo $VERSION_ID; cat /proc/1/comm; systemctl is-system-running; hostname",
        )
      ).split("\n");
    assert.deepEqual(await seen(web1), ["12", "systemd", "running", "web1", ""]);
    assert.deepEqual(await seen(db1), ["13", "systemd", "running", "db1", ""]);
  });

  it("lets root in by key, its host key pinned", async () => {
    assert.equal((await ssh(web1, "id -un; hostname")).stdout, "root\nweb1\n");
  });

  it("lets in an admin with sudo in place of root, when asked to", async () => {
    assert.equal((await ssh(db1, "id -un; sudo -n id -un")).stdout, "admin\nroot\n");
    assert.match((await ssh(db1, "true", { user: "root" })).stderr, /Permission denied/);
  });

  it("is not taken for its neighbour", async () => {
    assert.match(
      (await ssh(web1, "true", { hostKeys: db1.hostKeys })).stderr,
      /Host key verification failed/,
    );
  });

  it("is reached by its neighbours, and reaches nothing else", async () => {
    await web1.run(`echo | nc -w 5 ${db1.address} 22 | grep -q ^SSH-`);
    assert.equal(await web1.run("ip route show default"), "");
  });

  it("says what a failed script said", async () => {
    await assert.rejects(web1.run("echo the reason >&2; exit 3"), /exit code 3\nthe reason/);
  });

  it("does not wait for ever", async () => {
    await assert.rejects(web1.run("exec sleep 60", { timeoutSeconds: 1 }), /no end after 1 s/);
  });

  it("keeps its keys and files over a stop, and answers nothing in between", async () => {
    const keys = web1.hostKeys;
    await web1.run("echo kept > /root/file");
    await web1.stop();
    assert.equal(web1.running, false);
    assert.equal(await greeting(web1), undefined);
    await web1.start();
    assert.deepEqual(web1.hostKeys, keys);
    assert.equal((await ssh(web1, "cat /root/file")).stdout, "kept\n");
  });

  it("is another machine after a reinstall, at the same address", async () => {
    const { hostKeys, address } = web1;
    await web1.run("echo lost > /root/file");
    await web1.reinstall();
    assert.equal(web1.address, address);
    assert.match((await ssh(web1, "true", { hostKeys })).stderr, /Host key verification failed/);
    assert.equal((await ssh(web1, "ls /root")).stdout, "");
  });

  it("can get new host keys while it runs", async () => {
    const { hostKeys } = db1;
    await db1.newHostKeys();
    assert.match((await ssh(db1, "true", { hostKeys })).stderr, /Host key verification failed/);
    assert.equal((await ssh(db1, "echo in")).stdout, "in\n");
  });

  it("takes connections but says nothing while it is frozen", async () => {
    await db1.freeze();
    assert.equal(await greeting(db1), undefined);
    await db1.thaw();
    assert.match((await greeting(db1)) ?? "", /^SSH-/);
  });

  it("boots again after a power cut", async () => {
    await db1.kill();
    assert.equal(await greeting(db1), undefined);
    await db1.start();
    assert.equal((await ssh(db1, "echo in")).stdout, "in\n");
  });

  it("boots again after its systemd-nspawn alone was killed", async () => {
    const [pid] = (await command(["pgrep", "--full", `directory=${web1.root}`])).split("\n");
    process.kill(Number(pid), "SIGKILL");
    await web1.start();
    assert.equal((await ssh(web1, "echo in")).stdout, "in\n");
  });

  it("can be a Debian 11, and shows folders of this machine", async () => {
    const shared = await fs.mkdtemp(path.join(os.tmpdir(), "sandbox:bind-"));
    await fs.writeFile(path.join(shared, "file"), "shown");
    const old = await lab.boot({
      name: "old1",
      base: "debian11",
      login: "root",
      binds: [{ from: shared, to: "/srv/shared", readOnly: true }],
    });
    assert.equal(await old.run("cat /srv/shared/file"), "shown");
    await assert.rejects(old.run("touch /srv/shared/other"), /Read-only/);
    assert.match(await old.run("borg --version"), /^borg 1\.1\./);
    await old.remove();
    assert.equal(existsSync(old.root), false);
    await fs.rm(shared, { recursive: true });
  });
});

describe("a lab", { skip, timeout: 120_000 }, () => {
  it("leaves nothing behind", async () => {
    const lab = await openLab();
    const host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
    await lab[Symbol.asyncDispose]();
    assert.equal(existsSync(lab.folder), false);
    assert.equal((await command(["ip", "address"])).includes(lab.address), false);
    assert.equal((await command(["cat", "/proc/self/mounts"])).includes(host.root), false);
    assert.equal((await attempt(["pgrep", "--full", `directory=${host.root}`])).stdout, "");
  });

  it("of a process that was killed is removed by the next", async () => {
    const program = `
      import { openLab } from ${JSON.stringify(path.resolve(import.meta.dirname, "../../sandbox/lab.ts"))};
      const lab = await openLab();
      const host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
      console.log(lab.folder + " " + host.root);
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(owner.stdout, "data");
    const [folder, hostRoot] = String(line).trim().split(" ") as [string, string];
    owner.kill("SIGKILL");
    await once(owner, "exit");
    assert.ok(existsSync(path.join(hostRoot, "etc/hostname")), "the host outlives its owner");

    await using _next = await openLab();
    assert.equal(existsSync(folder), false);
    assert.equal((await attempt(["pgrep", "--full", `directory=${hostRoot}`])).stdout, "");
  });

  it("that is kept is there for the next process, until it is removed", async () => {
    const name = `k${process.pid}`;
    const first = await openLab({ name, keep: true });
    const spec = { name: "web1", base: "debian12", login: "root" } as const;
    const { hostKeys } = await first.boot(spec);
    await first[Symbol.asyncDispose]();
    const second = await openLab({ name, keep: true });
    assert.deepEqual((await second.boot(spec)).hostKeys, hostKeys);
    await second.remove();
    assert.equal(
      (await findLabs()).some(({ record }) => record.name === name),
      false,
    );
  });

  it("in use is not shared", async () => {
    await using lab = await openLab();
    await assert.rejects(openLab({ name: lab.name }), new RegExp(`in use by process ${process.pid}`));
  });
});

/** The system's ssh client, with the given host keys pinned. */
async function ssh(host: Host, script: string, pin: { user?: string; hostKeys?: readonly string[] } = {}) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "sandbox-ssh-"));
  try {
    const knownHosts = path.join(folder, "known_hosts");
    await fs.writeFile(
      knownHosts,
      (pin.hostKeys ?? host.hostKeys).map((key) => `${host.address} ${key}\n`).join(""),
    );
    const settings = [
      `UserKnownHostsFile=${knownHosts}`,
      "GlobalKnownHostsFile=none",
      "StrictHostKeyChecking=yes",
      "IdentitiesOnly=yes",
      "BatchMode=yes",
      "ConnectTimeout=10",
    ];
    const options = settings.flatMap((setting) => ["-o", setting]);
    const login = `${pin.user ?? host.login}@${host.address}`;
    return await attempt(["ssh", "-F", "none", "-i", host.adminKeyFile, ...options, login, script]);
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}

/** The first line of the ssh server, or undefined when there is none within a second. */
function greeting(host: Host): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: host.address, port: 22 });
    const settle = (line: string | undefined) => {
      socket.destroy();
      resolve(line);
    };
    socket.setTimeout(1000, () => settle(undefined));
    socket.on("error", () => settle(undefined)).once("data", (data) => settle(data.toString("latin1")));
  });
}
