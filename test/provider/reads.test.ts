import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { InitFailed, startProvider } from "./driver.ts";
import { drift, type Fixture, fixture, owner } from "./fixture.ts";

const type = "borgpull:index:HostFile";
let lab: Fixture;
before(async () => {
  lab = await fixture();
});
after(() => lab[Symbol.asyncDispose]());

const inputs = () => ({
  ...lab.on,
  path: "/etc/read.conf",
  content: `# Managed by borgpull, owner ${owner}.\n`,
  mode: "0644",
  user: "root",
  group: "root",
});
/** The read's answer, which must be a recorded failure with the last known state. */
async function failedRead(
  provider: typeof lab.provider,
  outputs: Record<string, unknown>,
  given: Record<string, unknown>,
) {
  const failure = await provider.read(type, "/etc/read.conf", outputs, given).then(
    () => assert.fail("the read should have failed"),
    (error) => error,
  );
  assert.ok(failure instanceof InitFailed, String(failure));
  assert.deepEqual(failure.outputs, outputs);
  assert.deepEqual(failure.inputs, given);
  assert.equal(failure.refreshBeforeUpdate, true);
  assert.equal(failure.id, "/etc/read.conf");
  return failure.message;
}

test("a host key that changed, an address where nobody answers, a login that is refused: last known state, with the reason", async () => {
  const { outputs } = await lab.provider.create(type, inputs());
  const with_ = (change: Record<string, unknown>) => ({
    ...inputs(),
    connection: { ...lab.on.connection, ...change },
  });
  const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ4dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q";
  assert.match(
    await failedRead(lab.provider, outputs, with_({ hostKeys: [other] })),
    /host key that is not the pinned one/,
  );
  assert.match(await failedRead(lab.provider, outputs, with_({ port: 1 })), /cannot be reached/);
  assert.match(await failedRead(lab.provider, outputs, with_({ user: "daemon" })), /does not let daemon in/);
});

test("a login that is not root and has no sudo is one clear error", async () => {
  await lab.host.run(
    "useradd -m -s /bin/sh plain; mkdir -m 700 /home/plain/.ssh; cp /root/.ssh/authorized_keys /home/plain/.ssh/; chown -R plain /home/plain/.ssh",
  );
  const plain = { ...inputs(), connection: { ...lab.on.connection, user: "plain" } };
  await assert.rejects(
    lab.provider.create(type, plain),
    /plain may not run commands as root without a password.*NOPASSWD/s,
  );
});

test("another address is no difference, another host key is, and the update proves everything at the new place", async () => {
  const { outputs } = await lab.provider.create(type, inputs());
  const moved = {
    ...inputs(),
    connection: { ...lab.on.connection, host: "moved.example.com", port: 2222, user: "admin" },
  };
  assert.deepEqual((await lab.provider.diff(type, outputs, moved)).paths, {});
  await lab.host.reinstall();
  await failedRead(lab.provider, outputs, inputs());
  const renewed = { ...inputs(), connection: { ...lab.on.connection, hostKeys: lab.host.hostKeys } };
  assert.deepEqual((await lab.provider.diff(type, outputs, renewed)).paths, {
    "connection.hostKeys": "UPDATE",
  });
  const repaired = await lab.provider.update(type, "/etc/read.conf", outputs, renewed);
  assert.deepEqual((await drift(lab.provider, type, "/etc/read.conf", repaired.outputs, renewed)).paths, {});
  assert.ok((await lab.host.run("cat /etc/read.conf")).includes(owner));
});

test("delete on a host that is gone fails, and succeeds when the host is to be forgotten", async () => {
  const gone = { ...inputs(), connection: { ...lab.on.connection, port: 1 } };
  await assert.rejects(
    lab.provider.remove(type, "/etc/read.conf", gone, gone),
    /cannot be reached.*BORGPULL_UNREACHABLE=forget leaves behind: \/etc\/read\.conf/s,
  );
  await using forgetful = await startProvider({ BORGPULL_UNREACHABLE: "forget" });
  await forgetful.remove(type, "/etc/read.conf", gone, gone);
});

test("reads that arrive together travel over one connection and in one command", async () => {
  const connection = { ...lab.on.connection, hostKeys: lab.host.hostKeys };
  await using fresh = await startProvider();
  const logins = () =>
    lab.host.run("journalctl -u ssh --no-pager | grep -c 'Accepted publickey' || true").then(Number);
  const sessions = () =>
    lab.host.run("journalctl -u ssh --no-pager | grep -c 'Starting session: command' || true").then(Number);
  await lab.host.run(
    "echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/00-verbose.conf; systemctl reload ssh",
  );
  const before = [await logins(), await sessions()] as const;
  const files = Array.from({ length: 40 }, (_, i) => ({ ...inputs(), connection, path: `/etc/none-${i}` }));
  await Promise.all(files.map((file) => fresh.read(type, file.path, file, file)));
  assert.equal((await logins()) - before[0], 1);
  assert.equal((await sessions()) - before[1], 1);
});

test("a host that allows one session at a time is read and changed all the same", async () => {
  await lab.host.run("echo 'MaxSessions 1' > /etc/ssh/sshd_config.d/00-one.conf; systemctl reload ssh");
  const connection = { ...lab.on.connection, hostKeys: lab.host.hostKeys };
  await using fresh = await startProvider();
  const files = Array.from({ length: 6 }, (_, i) => ({ ...inputs(), connection, path: `/etc/one-${i}` }));
  await Promise.all(files.map((file) => fresh.create(type, file)));
  assert.equal((await lab.host.run("ls /etc/one-* | wc -l")).trim(), "6");
});
