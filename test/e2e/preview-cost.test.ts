/** What a preview that finds no difference asks of each VPS, counted by its own sshd. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Host } from "../../sandbox/lab.ts";
import { openProgram, type Program } from "./program.ts";

const skip = process.getuid?.() !== 0 && "boots hosts, which needs root: run it with sudo";

/** Logins and commands that sshd has noted, which it does at LogLevel VERBOSE. */
async function noted(host: Host): Promise<{ readonly logins: number; readonly commands: number }> {
  const log = await host.run("journalctl --sync; journalctl -t sshd -t sshd-session --no-pager -o cat");
  const count = (what: RegExp) => log.match(what)?.length ?? 0;
  return { logins: count(/Accepted publickey/g), commands: count(/Starting session: command/g) };
}

describe("a preview that finds no difference", { skip, timeout: 300_000 }, () => {
  let program: Program;

  before(async () => {
    program = await openProgram([
      { name: "web1", base: "debian12", login: "root" },
      { name: "db1", base: "debian13", login: "admin" },
    ]);
    for (const name of ["web1", "db1"]) {
      await program
        .host(name)
        .run("echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/00-verbose.conf; systemctl reload ssh");
    }
    const { paths: _, ...db1 } = program.entry("db1");
    const jobs = { db1: { paths: ["/etc"] }, mail: { paths: ["/var/mail"] } };
    await program.configure({ web1: program.entry("web1"), db1: { ...db1, jobs } });
    const { code, out } = await program.up({ env: { BORGPULL_PULL: "never" } });
    assert.equal(code, 0, out);
  });
  after(() => program?.[Symbol.asyncDispose]());

  for (const parallel of ["1", "8", "1000"]) {
    it(`logs in once at each VPS and runs one command there, ${parallel} resources at a time`, async () => {
      const hosts = ["web1", "db1"].map((name) => program.host(name));
      const earlier = await Promise.all(hosts.map(noted));
      assert.equal(await program.clean({ env: { PULUMI_PARALLEL: parallel } }), 0);
      const later = await Promise.all(hosts.map(noted));
      const cost = later.map(({ logins, commands }, n) => ({
        logins: logins - (earlier[n]?.logins ?? 0),
        commands: commands - (earlier[n]?.commands ?? 0),
      }));
      assert.deepEqual(cost, [
        { logins: 1, commands: 1 },
        { logins: 1, commands: 1 },
      ]);
    });
  }
});
