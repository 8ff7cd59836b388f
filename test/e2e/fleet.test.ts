/** Several hosts in one stack: what one of them has done to it, the others do not feel, and one `up` mends it. */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { command } from "../../sandbox/command.ts";
import { vpsPaths } from "../../schema/paths.ts";
import { planned } from "./plan.ts";
import { type Ended, openProgram, type Program } from "./program.ts";
import { reloadSshd } from "./pull-fixture.ts";

const skip = process.getuid?.() !== 0 && "boots hosts, which needs root: run it with sudo";
const names = ["web1", "db1", "app1"] as const;
const noPull = { env: { BORGPULL_PULL: "never" } };
const paths = vpsPaths("borgpull");

describe("a fleet of three hosts", { skip, timeout: 480_000 }, () => {
  let program: Program;

  before(async () => {
    program = await openProgram([
      { name: "web1", base: "debian12", login: "root" },
      { name: "db1", base: "debian13", login: "root" },
      { name: "app1", base: "debian12", login: "admin" },
    ]);
  });
  after(() => program?.[Symbol.asyncDispose]());

  const configure = (exclude: string, extra: Readonly<Record<string, Record<string, unknown>>> = {}) =>
    program.configure(
      Object.fromEntries(
        names.map((name) => [name, program.entry(name, { exclude: [exclude], ...extra[name] })]),
      ),
    );
  /** What the host leaves out of its backup by now; "" before it is made ready. */
  const excluded = (name: string) =>
    program.host(name).run(`sed -n 's/^! //p' ${paths.jobs}/${name}.patterns 2>/dev/null || true`);

  /** Ended well, or the error is what Pulumi said in the end. */
  const well = ({ code, out }: Ended) => assert.equal(code, 0, diagnostics(out));
  const clean = async () => {
    if ((await program.clean()) !== 0) assert.fail((await program.preview(noPull)).out);
  };
  /** Failed, for this host's sake alone: nothing of it is taken for undeclared and deleted. */
  const failed = ({ code, out }: Ended, reason: RegExp) => {
    assert.notEqual(code, 0);
    assert.match(out, reason);
    assert.doesNotMatch(out, /^ -[-+]? /m, "nothing is deleted");
    assert.doesNotMatch(out, /\n\s+at /, "no stack trace");
  };
  /** The archive of the job's last good backup, as the stack tells it. */
  const archive = async (job: string): Promise<string | undefined> => {
    const { out } = await program.begin(["stack", "output", "--json"]).ended;
    const { jobs } = JSON.parse(out) as { jobs: Record<string, { lastGood?: { archive: string } }> };
    return jobs[job]?.lastGood?.archive;
  };

  it("refuses an administrator without sudo in one sentence, and changes nothing on that host", async () => {
    const app1 = program.host("app1");
    const tree = () => app1.run("find /etc /usr/local /var/lib -xdev -printf '%p %y %m %U %T@\\n' | sort");
    await app1.run("mv /etc/sudoers.d/admin /root/sudoers");
    const found = await tree();
    await program.configure({ app1: program.entry("app1") });
    const ended = await program.up(noPull);
    const left = await tree();
    await app1.run("mv /root/sudoers /etc/sudoers.d/admin");
    assert.equal(left, found);
    failed(
      ended,
      /admin may not run commands as root without a password .* Log in as root, or give admin a line such as "admin ALL=\(ALL\) NOPASSWD: ALL" with visudo\./,
    );
    assert.equal(diagnostics(ended.out).match(/may not run commands as root/g)?.length, 1);
  });

  it("has every host but the one that is down done, and says which by sentence and exit code", async () => {
    await program.host("web1").stop();
    await forget(program.host("web1").address);
    await configure("one");
    failed(await program.up(noPull), new RegExp(`error: ${program.host("web1").address} cannot be reached`));
    await program.host("web1").start();
    assert.equal(await excluded("db1"), "fm:one\n");
    assert.equal(await excluded("app1"), "fm:one\n");
    assert.equal(await excluded("web1"), "");
  });

  it("is whole after one `up` when the host is back, with backups of all, one through sudo and without root's login", async () => {
    assert.match(await program.host("app1").run("sshd -T"), /^permitrootlogin no$/m);
    well(await program.up());
    assert.equal(await excluded("web1"), "fm:one\n");
    for (const name of names) assert.match((await archive(name)) ?? "none", new RegExp(`^${name}-\\d{8}t`));
    await clean();
  });

  it("tries another port or identity before the job has it: shown at one place, refused in one sentence, or taken with nothing else changed", async () => {
    const db1 = program.host("db1");
    const nowhere = "/nowhere/key";
    const jobFile = path.join(program.stack.folder, "home/config/jobs/db1.json");
    const [job, before] = [await fs.readFile(jobFile, "utf8"), await archive("db1")];
    const refused = [
      [{ port: 2222 }, "~ port: 22 => 2222", `\\[${db1.address}\\]:2222 cannot be reached`],
      [{ identity: nowhere }, `=> "${nowhere}"`, `${nowhere}: the private key cannot be read`],
    ] as const;
    for (const [change, difference, reason] of refused) {
      await configure("one", { db1: change });
      const { code, out } = await program.preview();
      assert.equal(code, 0, out);
      assert.ok(planned(out).includes("~ db1-preflight (update)"), out);
      assert.ok(
        planned(out).some((line) => line.includes(difference)),
        out,
      );
      assert.equal(out.match(new RegExp(reason, "g"))?.length, 1, out);
      failed(await program.up(), new RegExp(`error: ${reason}`));
      assert.equal(await fs.readFile(jobFile, "utf8"), job);
    }

    const drop = "/etc/ssh/sshd_config.d/00-port.conf";
    await db1.run(`printf 'Port 22\\nPort 2222\\n' > ${drop}`);
    await reloadSshd(db1);
    await configure("one", { db1: { port: 2222 } });
    const { out } = await program.preview();
    assert.doesNotMatch(out, /cannot be reached/);
    assert.deepEqual(
      planned(out).filter((line) => line.endsWith("(update)")),
      ["~ db1-preflight (update)", "~ db1-job (update)"],
    );
    well(await program.up());
    assert.match(await fs.readFile(jobFile, "utf8"), /"port": 2222/);
    assert.equal(await archive("db1"), before);
    await clean();
    await configure("one");
    well(await program.up());
    await db1.run(`rm ${drop}`);
    await reloadSshd(db1);
  });

  it("shows a dead host as it was last known, with one warning, and does not call that clean", async () => {
    await program.host("web1").stop();
    await forget(program.host("web1").address);
    const { code, out } = await program.preview(noPull);
    assert.equal(code, 0, out);
    const warning = new RegExp(`${program.host("web1").address} cannot be reached`, "g");
    assert.equal(out.match(warning)?.length, 1, out);
    assert.match(out, /~ borgpull:index:SshdDropIn: \(update\)/, "all of it is unknown");
    assert.doesNotMatch(out, /^ *[-+]+ *borgpull:/m, "nothing is to be made or deleted");
    assert.equal(await program.clean(), 7);
    await program.host("web1").start();
    await clean();
  });

  it("has the others done while a reinstalled host is refused, until the config has its new key", async () => {
    const old = program.entry("web1").hostKey;
    await program.host("web1").reinstall();
    await configure("two", { web1: { hostKey: old } });
    failed(
      await program.up(noPull),
      new RegExp(`error: ${program.host("web1").address} shows a host key that is not the pinned one`),
    );
    assert.equal(await excluded("db1"), "fm:two\n");
    assert.equal(await excluded("app1"), "fm:two\n");
    assert.equal(await excluded("web1"), "");

    await configure("two");
    const before = await archive("web1");
    well(await program.up({ env: { BORGPULL_PULL: "web1" } }));
    assert.equal(await excluded("web1"), "fm:two\n");
    assert.notEqual(await archive("web1"), before);
    await clean();
  });

  it("has the others done while a host has moved away, until the config has its new address", async () => {
    const web1 = program.host("web1");
    const moved = web1.address.replace(/\d+$/, "77");
    const move = (from: string, to: string) =>
      web1.run(`ip address del ${from}/24 dev eth0 && ip address add ${to}/24 dev eth0`);
    await move(web1.address, moved);
    await forget(web1.address);
    await configure("three");
    const ended = await program.up(noPull);
    failed(ended, new RegExp(`error: ${web1.address} cannot be reached`));
    assert.equal(diagnostics(ended.out).match(/unhealthy state/g)?.length, 1, "one warning");
    assert.equal(await excluded("db1"), "fm:three\n");
    assert.equal(await excluded("web1"), "fm:two\n");

    await configure("three", { web1: { address: moved } });
    const before = await archive("web1");
    well(await program.up({ env: { BORGPULL_PULL: "web1" } }));
    assert.equal(await excluded("web1"), "fm:three\n");
    assert.notEqual(await archive("web1"), before);
    await clean();
    await move(moved, web1.address);
    await forget(moved);
    await configure("three");
    well(await program.up(noPull));
    await clean();
  });

  it("is not destroyed past a host that cannot be reached: that is named, with what would be left there", async () => {
    await program.host("web1").stop();
    await forget(program.host("web1").address);
    const { code, out } = await program.destroy();
    assert.notEqual(code, 0);
    assert.match(
      out,
      new RegExp(
        `${program.host("web1").address} cannot be reached.*BORGPULL_UNREACHABLE=forget leaves behind: .*${paths.authorizedKeys}`,
      ),
    );
    for (const name of ["db1", "app1"]) {
      assert.equal(await program.host(name).run("getent passwd borgpull || true"), "");
    }
  });

  it("is destroyed when that host is to be forgotten, and lists what is left on it", async () => {
    const { code, out } = await program.destroy({ env: { BORGPULL_UNREACHABLE: "forget" } });
    assert.equal(code, 0, out);
    const { deployment } = JSON.parse(await program.exportState()) as {
      deployment: { resources?: readonly unknown[] };
    };
    assert.deepEqual(deployment.resources ?? [], []);

    const web1 = program.host("web1");
    await web1.start();
    const left = await web1.run(
      `find /etc /usr/local /var/lib -xdev -type f | grep borgpull | grep -v ^${paths.home}/`,
    );
    assert.match(left, /60-borgpull\.conf/);
    for (const file of left.trim().split("\n"))
      assert.ok(out.includes(file), `${file} is not listed:\n${out}`);
    assert.ok(out.includes(`Left behind: the account borgpull and ${paths.home}`), out);
  });
});

/** Lets a machine that is gone be missed at once: this one remembers its hardware address for some seconds. */
const forget = (address: string) => command(["ip", "neigh", "flush", "to", address]);

/** The part of Pulumi's output that gathers each resource's messages; above it they pass by as they come. */
const diagnostics = (out: string): string => out.slice(out.indexOf("Diagnostics:"));
