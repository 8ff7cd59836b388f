/** A borg that runs with more rights than the account has, seen from the account: its memory, its files, and what it connects to. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Host } from "../../sandbox/lab.ts";
import { waitFor } from "../e2e/pull-fixture.ts";
import { addJob, callHelper, furnish, paths, runAsAccount } from "./furnished.ts";
import { silentServer } from "./local-ends.ts";
import { type Client, openssh } from "./openssh.ts";
import { workshop } from "./workshop.ts";

const { lab, folder } = await workshop();
let host: Host;
let client: Client;
const asAccount = (script: string) => runAsAccount(host, script);

before(async () => {
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
  await host.run("mkdir -p /srv/web; echo page > /srv/web/page");
  await furnish(host);
  client = openssh(host, await addJob(host, "web1", folder, { paths: ["/srv/web"] }), folder);
});

/** Tries everything that ptrace(2) rules on each process named; one line for each, "refused" in it when it is. */
const look = `
import ctypes, os, sys
def may(name, act):
    try: act(); print(name)
    except OSError as error: print(name, "refused:", error.strerror)
libc = ctypes.CDLL(None, use_errno=True)
def attach():
    if libc.ptrace(16, pid, 0, 0) != 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
for pid in map(int, sys.argv[1:]):
    for file in "environ", "maps": may(file, lambda: open(f"/proc/{pid}/{file}", "rb").read(1))
    may("mem", lambda: open(f"/proc/{pid}/mem", "rb").close())
    for link in "cwd", "root", "exe", "fd/0": may(link, lambda: os.readlink(f"/proc/{pid}/{link}"))
    may("attach", attach)
`;

test("cannot be looked into or taken over; its user is the account, though, so a signal ends it, and home sees that", async () => {
  await using silent = await silentServer(folder);
  const forward = ["-R", `${paths.run}/watched-1.sock:${silent.socket}`, "-o", "SendEnv=BORG_PASSPHRASE"];
  const run = client.begin(forward, "create watched-1", { BORG_PASSPHRASE: "x" });
  await silent.connected();
  await host.run("cat > /tmp/look.py", { stdin: look });
  const borg = "^/usr/bin/python3 .*borg .*watched-1";
  const pids =
    (await host.run(`pgrep -f '${borg}'; pgrep -f '^/bin/sh .*helper create web1'`)).match(/\d+/g) ?? [];
  assert.ok(pids.length >= 2, "borg, and the helper above it");
  const seen = (await asAccount(`python3 /tmp/look.py ${pids.join(" ")}`)).trim().split("\n");
  assert.equal(seen.length, 8 * pids.length);
  assert.deepEqual(
    seen.filter((line) => !line.includes("refused: ")),
    [],
  );
  const environment = await host.run(`tr '\\0' '\\n' < /proc/$(pgrep -f '${borg}')/environ`);
  assert.match(
    environment,
    /^TMPDIR=\/var\/cache\/borgpull\/read-all$/m,
    "where a standalone borg unpacks its code",
  );
  const own = await asAccount("sleep 60 & python3 /tmp/look.py $!; kill -KILL $!");
  assert.equal(
    own,
    "environ\nmaps\nmem\ncwd\nroot\nexe\nfd/0\nattach\n",
    "of a process of its own it sees all",
  );

  await asAccount(`pkill -KILL -f '${borg}'`);
  assert.equal((await run.ended).code, 137);
});

/** A service of root's whose socket anybody could use, were it not for the folder that it is in. */
async function guardedService(mode: "666" | "600"): Promise<string> {
  const at = "/root/guarded/s";
  await host.run(`mkdir -p -m 700 /root/guarded; rm -f ${at} /root/reached
    systemd-run --quiet --collect --unit=guarded sh -c "exec nc -lU ${at} > /root/reached"`);
  await waitFor(
    "the service",
    async () => (await host.run(`[ ! -S ${at} ] || chmod ${mode} ${at}; ls ${at} || :`)) !== "",
  );
  return at;
}

for (const [privilege, mode] of [
  ["read-all", "666"],
  ["root", "600"],
] as const)
  test(`with privilege ${privilege} a link in place of the forwarded socket leads borg to no socket that the account could not use itself`, async () => {
    await furnish(host, privilege);
    const socket = await guardedService(mode);
    const said = await asAccount(`
      ln -s ${socket} ${paths.run}/linked-1.sock
      ${callHelper("create web1 linked-1")} rm ${paths.run}/linked-1.sock`);
    assert.match(said, /"ConnectionClosed/);
    const reached = await host.run(
      "stat -c %s /root/reached; systemctl is-active guarded; systemctl stop guarded",
    );
    assert.equal(reached, "0\nactive\n", "borg speaks first, and nobody heard it");
  });
