/** What a preview that finds no difference asks of each VPS, counted by its own sshd. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { inTurns } from "../../sandbox/in-turns.ts";
import type { Host, HostSpec } from "../../sandbox/lab.ts";
import { openProgram, type Program } from "./program.ts";

const skip = process.getuid?.() !== 0 && "boots hosts, which needs root: run it with sudo";

/** Twenty: the engine then takes seconds to ask for what is on one of them, in an order of its own. */
const others = Array.from({ length: 18 }, (_, n) => `vps${n}`);
const names = ["web1", "db1", ...others];
const specs: readonly HostSpec[] = [
  { name: "web1", base: "debian12", login: "root" },
  { name: "db1", base: "debian13", login: "admin" },
  ...others.map((name) => ({ name, base: "debian12", login: "root" }) as const),
];

/** Logins and commands that sshd has noted, which it does at LogLevel VERBOSE. */
async function noted(host: Host): Promise<{ readonly logins: number; readonly commands: number }> {
  const log = await host.run("journalctl --sync; journalctl -t sshd -t sshd-session --no-pager -o cat");
  const count = (what: RegExp) => log.match(what)?.length ?? 0;
  return { logins: count(/Accepted publickey/g), commands: count(/Starting session: command/g) };
}

describe("a preview that finds no difference", { skip, timeout: 600_000 }, () => {
  let program: Program;

  before(async () => {
    program = await openProgram(specs);
    await inTurns(names, (name) =>
      program
        .host(name)
        .run("echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/00-verbose.conf; systemctl reload ssh"),
    );
    const { paths: _, ...db1 } = program.entry("db1");
    const jobs = { db1: { paths: ["/etc"] }, mail: { paths: ["/var/mail"] } };
    const entries = Object.fromEntries(names.map((name) => [name, program.entry(name)]));
    await program.configure({ ...entries, db1: { ...db1, jobs } });
    const { code, out } = await program.up({ env: { BORGPULL_PULL: "never" } });
    assert.equal(code, 0, out);
  });
  after(() => program?.[Symbol.asyncDispose]());

  for (const parallel of ["1", "8", "1000"]) {
    it(`logs in once at each of ${names.length} VPSes and runs one command there, ${parallel} resources at a time`, async () => {
      const hosts = names.map((name) => program.host(name));
      const earlier = await inTurns(hosts, noted);
      assert.equal(await program.clean({ env: { PULUMI_PARALLEL: parallel } }), 0);
      const later = await inTurns(hosts, noted);
      const cost = later.map(({ logins, commands }, n) => ({
        logins: logins - (earlier[n]?.logins ?? 0),
        commands: commands - (earlier[n]?.commands ?? 0),
      }));
      assert.deepEqual(
        cost,
        names.map(() => ({ logins: 1, commands: 1 })),
      );
    });
  }
});
