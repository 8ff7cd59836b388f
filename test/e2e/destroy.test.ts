/** What is left when borgpull goes: the VPS as it was, and at home everything that a restore needs. */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { attempt, command } from "../../sandbox/command.ts";
import type { Host } from "../../sandbox/lab.ts";
import { vpsPaths } from "../../schema/paths.ts";
import { type Ended, openProgram, type Program } from "./program.ts";
import { waitFor } from "./pull-fixture.ts";
import { difference, snapshot } from "./snapshot.ts";

const skip = process.getuid?.() !== 0 && "boots hosts, which needs root: run it with sudo";
const checkout = path.resolve(import.meta.dirname, "../..");
const noPull = { env: { BORGPULL_PULL: "never" } };
const paths = vpsPaths("borgpull");
const names = ["web1", "app1"] as const;

describe("destroy", { skip, timeout: 420_000 }, () => {
  let program: Program;
  let hosts: readonly Host[];
  let untouched: readonly ReadonlyMap<string, string>[];

  before(async () => {
    program = await openProgram([
      { name: "web1", base: "debian12", login: "root" },
      { name: "app1", base: "debian13", login: "admin" },
    ]);
    hosts = names.map((name) => program.host(name));
    await configure();
    await program.preview(noPull); // somebody has logged in by now: what that makes is not our doing
    untouched = await Promise.all(hosts.map(snapshot));
  });
  after(() => program?.[Symbol.asyncDispose]());

  const configure = (extra: Readonly<Record<string, unknown>> = {}) =>
    program.configure(
      Object.fromEntries(names.map((name) => [name, program.entry(name, { paths: ["/etc/ssh"], ...extra })])),
    );
  const well = ({ code, out }: Ended) => assert.equal(code, 0, out.slice(out.indexOf("Diagnostics:")));
  const home = (...parts: string[]) => path.join(program.stack.folder, "home", ...parts);
  const listed = async (folder: string) => (await fs.readdir(home(folder)).catch(() => [])).toSorted();
  const borg = async (job: string, ...args: readonly [string, ...string[]]) =>
    command(["borg", ...args], {
      env: {
        BORG_REPO: path.join(program.stack.repositories, job),
        BORG_PASSCOMMAND: `cat ${home("config/passphrases", job)}`,
        BORG_BASE_DIR: home("borg-of-the-test"),
        BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
      },
    });
  const archives = async (job: string) => (await borg(job, "list", "--short")).split("\n").filter(Boolean);
  const asBefore = async () => {
    for (const [index, host] of hosts.entries()) {
      await sessionsEnded(host);
      assert.deepEqual(
        difference(untouched[index] as ReadonlyMap<string, string>, await snapshot(host)),
        [],
        host.name,
      );
    }
  };

  it("leaves each VPS the files, accounts and sshd settings that it had before `up` and a pull", async () => {
    well(await program.up());
    for (const [index, host] of hosts.entries()) {
      const made = difference(untouched[index] as ReadonlyMap<string, string>, await snapshot(host)).join(
        "\n",
      );
      for (const file of [
        paths.dropIn,
        paths.sudoers,
        paths.authorizedKeys,
        paths.home,
        paths.run,
        paths.lock,
      ]) {
        assert.ok(made.includes(`+ ${file} `), `${file} was never there, and could not be missed`);
      }
    }
    assert.equal((await archives("web1")).length, 1);
    well(await program.destroy());
    await asBefore();
  });

  it("keeps repositories, records and keys at home, has said where, and leaves no job or live pull key", async () => {
    well(await program.up(noPull));
    const keys = await listed("config/keys");
    const { code, out } = await program.destroy();
    assert.equal(code, 0, out);
    for (const name of names) {
      assert.equal((await archives(name)).length, 1);
      for (const place of [
        path.join(program.stack.repositories, name),
        home("config/passphrases", name),
        home("config/repositories", name),
      ]) {
        assert.ok(out.includes(place), `${place} is not told:\n${out}`);
        await fs.access(place);
      }
      assert.match(out, new RegExp(`${home("config/keys", name)}\\.removed-`));
    }
    assert.deepEqual(await listed("config/jobs"), []);
    const left = await listed("config/keys");
    assert.equal(left.length, keys.length, "each key is moved aside, none removed");
    assert.deepEqual(
      left.filter((name) => !name.includes(".removed-")),
      [],
    );
    await fs.access(home("state/state.db"));
    await asBefore();
  });

  it("is followed by an `up` with a new pull key and the same repository", async () => {
    const [first] = await archives("web1");
    const retired = (await listed("config/keys")).length;
    well(await program.up({ env: { BORGPULL_PULL: "web1" } }));
    assert.equal((await listed("config/keys")).length, retired + 2 * names.length);
    const now = await archives("web1");
    assert.equal(now.length, 2);
    assert.equal(now[0], first);
    assert.equal(await program.clean(), 0);
  });

  it("is as clean after the stack's state was lost and found again by `up`, which makes nothing twice", async () => {
    const there = async () => ({
      keys: await listed("config/keys"),
      web1: await fs.readFile(home("config/keys/web1.pub"), "utf8"),
      passphrases: await fs.readFile(home("config/passphrases/web1"), "utf8"),
      repositories: await listed("repositories"),
      id: await fs.readFile(path.join(program.stack.repositories, "web1/config"), "utf8"),
      archives: await archives("web1"),
      vps: await Promise.all(hosts.map(snapshot)),
    });
    // the account's password was set another day: setting it once more would note today
    await Promise.all(hosts.map((host) => host.run("chage --lastday 2020-01-01 borgpull")));
    const { vps: vpsBefore, ...homeBefore } = await there();
    well(await program.begin(["stack", "rm", "--force", "--yes", "--preserve-config"]).ended);
    well(await program.begin(["stack", "init"]).ended);
    well(await program.up());
    const { vps: vpsAfter, ...homeAfter } = await there();
    assert.deepEqual(homeAfter, homeBefore);
    for (const [index, host] of hosts.entries()) {
      const changed = difference(
        vpsBefore[index] as ReadonlyMap<string, string>,
        vpsAfter[index] as ReadonlyMap<string, string>,
      );
      assert.deepEqual(
        changed.filter((line) => !line.includes(` ${paths.home}/`)),
        [],
        host.name,
      );
    }
    assert.equal(await program.clean(), 0);
    well(await program.destroy());
    await asBefore();
  });

  it("waits for a running pull, which ends well", async () => {
    const started = "/tmp/hook-of-the-test";
    const run = `touch ${started}; for i in $(seq 600); do [ -e ${started}.go ] && exit 0; sleep 0.1; done; exit 1`;
    await configure({ hooks: { before: { user: "borgpull", run } } });
    well(await program.up(noPull));
    const known = await archives("web1");
    const web1 = program.host("web1");
    const pull = attempt([path.join(checkout, "cli/borgpull"), "run", "web1"], {
      env: program.stack.env,
      timeoutSeconds: 120,
    });
    await waitFor(
      "the hook of the pull",
      async () => (await web1.run(`ls ${started} 2>&1 || true`)) === `${started}\n`,
    );
    const destroy = program.begin(["destroy", "--yes", "--skip-preview"]);
    await waitFor(
      "destroy to find the pull",
      () => destroy.text().includes("waiting for the running pull to end"),
      60,
    );
    assert.match(
      await web1.run(`ls ${paths.borgctl} ${paths.jobs}/web1.patterns ${paths.dropIn}`),
      /borgctl/,
      "what the pull needs is untouched",
    );
    await web1.run(`touch ${started}.go`);
    const { code, stdout, stderr } = await pull;
    assert.equal(code, 0, stdout + stderr);
    well(await destroy.ended);
    assert.equal((await archives("web1")).length, known.length + 1);
    await web1.run(`rm -f ${started} ${started}.go`);
    await asBefore();
  });

  it("is not needed where `up` was refused: a foreign account, group, folder or file in the way stays as it is without adopt", async () => {
    await configure();
    const web1 = program.host("web1");
    const foreign = [
      {
        make: `useradd --system --shell /usr/sbin/nologin --comment somebody borgpull`,
        look: "getent passwd borgpull; getent shadow borgpull",
        undo: "userdel borgpull",
        says: /the account borgpull is there already and was not made by borgpull/,
      },
      {
        make: `mkdir -m 755 ${paths.home} && echo precious > ${paths.home}/data`,
        look: `stat -c '%A %U' ${paths.home}; cat ${paths.home}/data; getent passwd borgpull || true`,
        undo: `rm -r ${paths.home}`,
        says: new RegExp(`${paths.home} is there already and was not made by borgpull`),
      },
      {
        make: "groupadd --system borgpull",
        look: "getent group borgpull",
        undo: "groupdel borgpull",
        says: /the group borgpull is there already and was not made by borgpull/,
      },
      {
        make: `printf 'Match User nobody\\n' > ${paths.dropIn}`,
        look: `cat ${paths.dropIn}`,
        undo: `rm ${paths.dropIn}`,
        says: new RegExp(`${paths.dropIn} is there already and was not made by borgpull`),
      },
    ] as const;
    for (const { make, look, undo, says } of foreign) {
      await web1.run(make);
      const found = await web1.run(look);
      const { code, out } = await program.up(noPull);
      assert.notEqual(code, 0);
      assert.match(out, says);
      assert.match(out, /adopt: true/);
      assert.equal(await web1.run(look), found);
      await web1.run(undo);
    }
    well(await program.destroy());
    await asBefore();
  });

  it("takes with it what was adopted, and only then", async () => {
    const web1 = program.host("web1");
    await web1.run(`useradd --system --shell /usr/sbin/nologin --comment somebody borgpull
      printf 'Match User nobody\\n' > ${paths.dropIn}`);
    await configure({ adopt: true });
    well(await program.up(noPull));
    assert.match(
      await web1.run("getent passwd borgpull"),
      new RegExp(`:borgpull borgpull/[^:]+:${paths.home}:/bin/sh$`, "m"),
    );
    assert.match(await web1.run(`cat ${paths.dropIn}`), /^Match User borgpull$/m);
    assert.equal(await program.clean(), 0);
    well(await program.destroy());
    await asBefore();
  });
});

/** Waits until systemd has put away the sessions of accounts that are gone: it does so a moment after their last process. */
const sessionsEnded = (host: Host) =>
  waitFor(`the sessions on ${host.name} to end`, async () =>
    /^0$/m.test(await host.run("loginctl list-sessions --no-legend | grep -c borgpull || true")),
  );
