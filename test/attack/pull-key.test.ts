/**
 * What the holder of a pull key can do with it, tried with OpenSSH's own client: nothing here goes through the code of `borgpull audit`.
 * What a thief gets by using the key as it is meant to be used is in stolen-key.test.ts.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, afterEach, before, beforeEach, suite, test } from "node:test";
import type { Host } from "../../sandbox/lab.ts";
import { waitFor } from "../e2e/pull-fixture.ts";
import { tryForwarding } from "./forwarding.ts";
import { addJob, furnish, paths } from "./furnished.ts";
import { silentServer } from "./local-ends.ts";
import { type Client, openssh } from "./openssh.ts";
import { ownRepository } from "./own-repository.ts";
import { fingerprint, isAsItWas } from "./untouched.ts";
import { workshop } from "./workshop.ts";

const { lab, folder } = await workshop();

for (const base of ["debian12", "debian13"] as const)
  suite(`the holder of a pull key of a ${base}`, () => {
    let host: Host;
    let key: string;
    let client: Client;
    let sound: string;

    before(async () => {
      host = await lab.boot({ name: base, base, login: "root" });
      await host.run("mkdir -p /srv/web; echo page > /srv/web/page; echo precious > /var/tmp/precious");
      await furnish(host);
      key = await addJob(host, "web1", fs.mkdtempSync(path.join(folder, "keys-")), { paths: ["/srv/web"] });
      client = openssh(host, key, folder);
      const publicKey = fs.readFileSync(`${key}.pub`, "utf8");
      await host.run(
        `useradd --create-home --shell /bin/sh ordinary; cd /home/ordinary
        mkdir -m 700 .ssh; cat > .ssh/authorized_keys; chown -R ordinary .`,
        { stdin: publicKey },
      );
    });
    after(() => host?.remove());
    beforeEach(async () => {
      sound = await fingerprint(host);
    });
    const probe = () =>
      client.ssh(["-o", "SendEnv=BORG_PASSPHRASE"], "probe", { env: { BORG_PASSPHRASE: "x" } });
    afterEach(() => isAsItWas(host, sound));

    test("can prove that a pull would work: what follows fails for no other reason", async () => {
      const { code, stdout } = await probe();
      assert.equal(code, 0);
      assert.match(stdout, /^\{"borgctl":/);
    });

    test("gets no shell, no terminal and no other account", async () => {
      const shell = await client.ssh([], undefined, { stdin: "touch /tmp/harm\n" });
      assert.deepEqual([shell.code, shell.stdout], [200, ""]);
      const terminal = await client.ssh(["-tt"], undefined, { stdin: "touch /tmp/harm\n" });
      assert.deepEqual([terminal.code, terminal.stdout], [255, ""]);
      assert.match(terminal.stderr, /PTY allocation request failed/);
      for (const user of ["root", "daemon", "nobody"]) {
        const { code, stderr } = await openssh(host, key, folder, user).ssh([], "touch /tmp/harm");
        assert.equal(code, 255);
        assert.match(stderr, /Permission denied/);
      }
    });

    test("runs no command but create and probe, however it is written", async () => {
      const forbidden = [
        "touch /tmp/harm",
        "sh -c 'touch /tmp/harm'",
        "",
        " ",
        "probe; touch /tmp/harm",
        "probe | touch /tmp/harm",
        "probe $(touch /tmp/harm)",
        "probe\ntouch /tmp/harm",
        "-probe",
        "create",
        "check web1",
        "create web1 run-12345",
        "create ../../../tmp/harm",
        "create /tmp/harm/harm",
        "create run-12345;touch /tmp/harm",
        "create run-12345\ntouch /tmp/harm",
        "create run-12345\n",
        "create \nrun-12345",
        "create $(touch /tmp/harm)",
        "create `touch /tmp/harm`",
        "create $IFS$9run12345",
        "create run-*****",
        "create RUN-12345",
        "create r\u00fcn-12345",
        "create 1234567",
        `create ${"a".repeat(41)}`,
        `create ${"a".repeat(100_000)}`,
        "\x1b]0;create run-12345\x07",
      ];
      const control = path.join(folder, `control-${base}`);
      const master = client.begin(["-M", "-S", control, "-N"]); // one login for all of them
      await waitFor("the master", () => fs.existsSync(control));
      for (const command of forbidden) {
        const { code, stdout, stderr } = await client.ssh(["-S", control], command);
        const seen = `${JSON.stringify(command.slice(0, 60))}: ${code} ${stderr.slice(0, 200)}`;
        assert.ok(code === 200 || code === 201, seen);
        assert.equal(stdout, "", seen);
      }
      master.child.kill();
      await master.ended;
    });

    test("ends no more than its own connection with a command that is longer than sshd takes", async () => {
      const config = path.join(folder, "long");
      fs.writeFileSync(config, `Host *\nRemoteCommand create ${"a".repeat(1_000_000)}\n`);
      const { code, stdout } = await client.ssh(["-F", config]);
      assert.deepEqual([code, stdout], [255, ""]);
      assert.equal((await probe()).code, 0);
    });

    test("copies nothing in or out with scp and sftp", async () => {
      const [mine, out] = [path.join(folder, "mine"), path.join(folder, "out")];
      fs.writeFileSync(mine, "mine\n");
      const attempts: readonly (readonly ["scp" | "sftp", readonly string[], string?])[] = [
        ["scp", [mine, "LOGIN:/tmp/harm"]],
        ["scp", ["LOGIN:/etc/passwd", out]],
        ["scp", ["-O", mine, "LOGIN:/tmp/harm"]],
        ["scp", ["-O", "LOGIN:/etc/passwd", out]],
        ["sftp", ["-b", "-", "LOGIN"], `put ${mine} /tmp/harm\nget /etc/passwd ${out}\n`],
      ];
      for (const [program, words, batch] of attempts) {
        const { code, stdout, stderr } = await client.copy(program, words, batch);
        assert.notEqual(code, 0, `${program} ${words.join(" ")}: ${stdout}${stderr}`);
        assert.equal(fs.existsSync(out), false);
      }
    });

    test("gives no variable of its own to anything there, neither while it runs nor to the hooks", async () => {
      const planted = {
        BORG_PASSCOMMAND: "touch /tmp/harm",
        BORG_RSH: "touch /tmp/harm",
        BORG_REMOTE_PATH: "/tmp/evil",
        BORG_LOGGING_CONF: "/dev/stdin",
        BORG_BASE_DIR: "/tmp/evil",
        LD_PRELOAD: "/tmp/evil/so",
        LD_LIBRARY_PATH: "/tmp/evil",
        PATH: "/tmp/evil:/usr/bin:/bin",
        HOME: "/tmp/evil",
        ENV: "/tmp/evil/env",
        BASH_ENV: "/tmp/evil/env",
        PYTHONPATH: "/tmp/evil",
        IFS: "/",
        LC_ALL: "evil",
        TMPDIR: "/tmp/evil",
      };
      const set = Object.entries(planted).flatMap(([name, value]) => ["-o", `SetEnv=${name}="${value}"`]);
      await using silent = await silentServer(folder);
      const forward = ["-R", `${paths.run}/evil-run-1.sock:${silent.socket}`];
      const env = { BORG_PASSPHRASE: "x" };
      const run = client.begin(
        [...forward, "-o", "SendEnv=BORG_PASSPHRASE", ...set],
        "create evil-run-1",
        env,
      );
      await silent.connected();
      const seen = await host.run(
        "for pid in $(pgrep -f evil-run-1); do tr '\\0' '\\n' < /proc/$pid/environ; done",
      );
      run.child.stdin.end();
      await run.ended;
      assert.match(seen, /^HOME=/m, "environments were seen");
      assert.doesNotMatch(seen, /evil\b(?!-run-1)|harm|stdin/);
    });

    test("forwards no port, no socket, no agent and no display, in either direction", async () => {
      const at = `${paths.run}/forward-1.sock`;
      const tried = await tryForwarding(host, client, folder, {
        at,
        command: "create forward-1",
        keyFile: key,
      });
      const nothing = { port: "", socks: "", bus: "" };
      assert.deepEqual(tried, { ports: ["22"], sockets: [], answers: nothing, refused: 4 });
    });

    test("cannot do what an ordinary account can: the same attempts by one go through", async () => {
      const ordinary = openssh(host, key, folder, "ordinary");
      const at = "/home/ordinary/socket";
      const tried = await tryForwarding(host, ordinary, folder, { at, command: `nc -U ${at}`, keyFile: key });
      assert.deepEqual(tried.ports, ["22", "2222", "3333", "4444"]);
      assert.ok(
        tried.sockets.some((socket) => socket.includes("agent")),
        "the agent",
      );
      assert.match(tried.answers.port ?? "", /^SSH-2/);
      assert.match(tried.answers.socks ?? "", /SSH-2/);
      assert.match(tried.answers.bus ?? "", /^REJECTED/);
      await host.run(`pkill -KILL -u ordinary; rm -rf ${at} /tmp/ssh-*`);
    });

    test("puts a socket over no file that is not the account's own", async () => {
      await using silent = await silentServer(folder);
      const targets = [
        ...["/etc/passwd", "/etc/shadow", "/root/.ssh/authorized_keys", "/var/tmp/precious", "/srv/web/page"],
        ...[paths.create, paths.commands, paths.hash, paths.relay],
        ...[paths.borgctl, paths.helper, paths.authorizedKeys, paths.dropIn, paths.sudoers, paths.lock],
        ...[`${paths.jobs}/web1.conf`, `${paths.jobs}/new.conf`, "/etc/cron.d/harm", paths.run, paths.home],
      ];
      const { stderr } = await client.ssh(
        targets.flatMap((target) => ["-R", `${target}:${silent.socket}`]),
        "probe",
      );
      assert.equal(stderr.match(/remote port forwarding failed/g)?.length, targets.length, stderr);
    });

    test("can spoil nothing that a later pull needs by putting sockets where the account may", async () => {
      await using silent = await silentServer(folder);
      await using own = await ownRepository(folder, "web1");
      assert.equal((await own.pull(client, "before-run")).code, 0);
      const targets = [
        ...[".borg", ".cache", ".config", ".local", ".ssh", ".profile"].map(
          (name) => `${paths.home}/${name}`,
        ),
        ...["a b", "x\n", "-rf", "*"].map((name) => `${paths.run}/${name}`),
      ];
      await client.ssh(
        targets.flatMap((at) => ["-R", `${at}:${silent.socket}`]),
        "probe",
      );
      const made = await host.run(`find ${paths.home} ${paths.run} -type s -printf x`);
      assert.equal(made.length, targets.length);
      await host.run(`find ${paths.run} -type s -exec touch -h -d '10 minutes ago' {} +`);
      const { code, stderr } = await own.pull(client, "after-run");
      assert.equal(code, 0, stderr);
      assert.equal(
        await host.run(`ls -A ${paths.run}`),
        "",
        "and what nobody listens on is swept, whatever its name",
      );
      // What cannot be prevented: the sockets in the account's own home stay until somebody removes them.
      await host.run(`find ${paths.home} -type s -delete`);
    });
  });
