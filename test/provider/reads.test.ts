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

test("a host that is down is told by the first that reads it; the others give their last known state, which is no clean one", async () => {
  const path = "/etc/read.conf";
  const { outputs } = await lab.provider.create(type, inputs());
  const down = { ...inputs(), connection: { ...lab.on.connection, port: 2 } };
  const names = ["one", "two", "three"];
  await using fresh = await startProvider();
  const answers = await Promise.allSettled(names.map((name) => fresh.read(type, path, outputs, down, name)));
  const [failed, ...more] = answers.flatMap((answer) =>
    answer.status === "rejected" ? [answer.reason] : [],
  );
  assert.deepEqual(more, []);
  assert.match(String(failed), /cannot be reached/);
  const quiet = answers.flatMap((answer, index) =>
    answer.status === "fulfilled" ? [{ name: names[index], ...answer.value }] : [],
  );
  assert.equal(quiet.length, 2);
  for (const { name, ...read } of quiet) {
    assert.deepEqual(read, { id: path, outputs, inputs: down, refreshBeforeUpdate: true });
    const differs = async () => (await fresh.diff(type, outputs, inputs(), name)).changes;
    assert.equal(await differs(), true);
    await fresh.read(type, path, outputs, inputs(), name);
    assert.equal(await differs(), false);
  }
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
  await using fresh = await startProvider(); // the other has said that sentence already
  await failedRead(fresh, outputs, inputs());
  const renewed = { ...inputs(), connection: { ...lab.on.connection, hostKeys: lab.host.hostKeys } };
  assert.deepEqual((await lab.provider.diff(type, outputs, renewed)).paths, {
    "connection.hostKeys": "UPDATE",
  });
  const repaired = await lab.provider.update(type, "/etc/read.conf", outputs, renewed);
  assert.deepEqual((await drift(lab.provider, type, "/etc/read.conf", repaired.outputs, renewed)).paths, {});
  assert.ok((await lab.host.run("cat /etc/read.conf")).includes(owner));
});

test("the preflight alone differs by every part of the connection, and its update tries that", async () => {
  const jump = { ...lab.on.connection, hostKeys: lab.host.hostKeys };
  const connection = jump;
  const keyword = "X11Forwarding";
  const given = {
    ...lab.on,
    connection,
    identities: {},
    privilege: "root",
    dropIn: {
      path: "/etc/ssh/sshd_config.d/60-it.conf",
      content: `Match User root\n    ${keyword} no\n`,
      user: "root",
      settings: { [keyword]: "no" },
    },
  };
  const { outputs } = await lab.provider.create("borgpull:index:Preflight", given);
  const paths = async (news: Record<string, unknown>) =>
    (await lab.provider.diff("borgpull:index:Preflight", outputs, { ...given, ...news })).paths;
  const auth = "/nowhere/key";
  assert.deepEqual(await paths({}), {});
  assert.deepEqual(
    await paths({ connection: { ...connection, host: "moved.example.com", port: 2222, user: "admin" } }),
    {
      "connection.host": "UPDATE",
      "connection.port": "UPDATE",
      "connection.user": "UPDATE",
    },
  );
  assert.deepEqual(await paths({ connection: { ...connection, jump } }), { "connection.jump": "ADD" });
  assert.deepEqual(await paths({ connection: { ...connection, auth } }), {}, "another machine's own");
  const named = { connection: { ...connection, auth }, identities: { host: auth } };
  assert.deepEqual(await paths(named), { "connection.auth": "UPDATE" });
  const update = (news: Record<string, unknown>) =>
    lab.provider.update("borgpull:index:Preflight", "root", outputs, { ...given, ...news });
  await assert.rejects(update(named), /\/nowhere\/key: the private key cannot be read/);
  await assert.rejects(update({ connection: { ...connection, port: 2222 } }), /\]:2222 cannot be reached/);
  const { outputs: updated } = await update({ connection: { ...connection, jump } });
  assert.deepEqual(updated.connection, { ...connection, jump });
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
