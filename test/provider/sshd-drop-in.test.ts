import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { scriptText } from "../../remote/host.ts";
import { openHosts } from "../../remote/pool.ts";
import { startProvider } from "./driver.ts";
import { drift, type Fixture, fixture, owner } from "./fixture.ts";

const type = "borgpull:index:SshdDropIn";
const path = "/etc/ssh/sshd_config.d/60-borgpull.conf";
let lab: Fixture;
before(async () => {
  lab = await fixture();
  await lab.host.run("useradd --system --shell /bin/sh borgpull");
});
after(() => lab[Symbol.asyncDispose]());

const dropIn = (extra: Record<string, string> = {}) => {
  const settings = { AcceptEnv: "BORG_PASSPHRASE", PermitTTY: "no", ClientAliveInterval: "30", ...extra };
  const lines = Object.entries(settings).map(([keyword, value]) => `    ${keyword} ${value}\n`);
  const content = `# Managed by borgpull, owner ${owner}.\nMatch User borgpull\n${lines.join("")}`;
  return { ...lab.on, path, content, user: "borgpull", settings };
};
/** A login of a connection that nobody had before. */
async function login(): Promise<void> {
  await using hosts = openHosts();
  await hosts.freshLogin(lab.host.target());
}
const pending = () =>
  lab.host.run(
    "systemctl list-timers --all --no-legend 'borgpull-*' | wc -l; ls -d /run/borgpull-sshd-restore-* 2>/dev/null | wc -l",
  );

test("it is written, loaded, in force, and nothing is left armed", async () => {
  const { outputs, id } = await lab.provider.create(type, dropIn());
  assert.deepEqual((await drift(lab.provider, type, id, outputs, dropIn())).paths, {});
  assert.match(
    await lab.host.run("sshd -T -C user=borgpull,host=x,addr=127.0.0.1"),
    /acceptenv BORG_PASSPHRASE/,
  );
  assert.equal((await pending()).trim(), "0\n0");
});

test("a line, the mode, an overriding earlier file, a missing reload, a deletion: each shows as what it is and is repaired", async () => {
  const inputs = dropIn();
  let { outputs } = await lab.provider.update(
    type,
    path,
    (await lab.provider.create(type, inputs)).outputs,
    inputs,
  );
  const cases: [string, string[]][] = [
    [
      `sed -i 's/PermitTTY no/PermitTTY yes/' ${path} && systemctl reload ssh`,
      ["content", "settings.PermitTTY"],
    ],
    [`chmod 600 ${path} && systemctl reload ssh`, ["mode"]],
    [`chown daemon ${path} && systemctl reload ssh`, ["unixOwner"]],
    [`touch ${path}`, ["loaded"]],
    ["echo '# harmless' > /etc/ssh/sshd_config.d/99-other.conf", ["loaded"]],
  ];
  for (const [damage, expected] of cases) {
    await lab.host.run(damage);
    const seen = await drift(lab.provider, type, path, outputs, inputs);
    assert.deepEqual(Object.keys(seen.paths).sort(), expected, damage);
    ({ outputs } = await lab.provider.update(type, path, seen.live, inputs));
    assert.deepEqual((await drift(lab.provider, type, path, outputs, inputs)).paths, {}, damage);
  }
  await lab.host.run(
    "printf 'Match all\\n  PermitTTY yes\\n' > /etc/ssh/sshd_config.d/10-earlier.conf; systemctl reload ssh",
  );
  const seen = await drift(lab.provider, type, path, outputs, inputs);
  assert.deepEqual(seen.paths, { "settings.PermitTTY": "UPDATE" });
  await assert.rejects(
    lab.provider.update(type, path, seen.live, inputs),
    /PermitTTY would be "yes" instead of "no"/,
  );
  await lab.host.run("rm /etc/ssh/sshd_config.d/10-earlier.conf; systemctl reload ssh");
  await lab.host.run(`rm ${path}`);
  assert.deepEqual((await drift(lab.provider, type, path, outputs, inputs)).paths, { "(gone)": "DELETE" });
  await lab.provider.create(type, inputs);
});

test("what sshd rejects is refused with sshd's words, and the old file stays in force", async () => {
  const before = await lab.host.run(`cat ${path}`);
  await assert.rejects(
    lab.provider.update(type, path, dropIn(), dropIn({ PermitUserEnvironment: "yes" })),
    /60-borgpull\.conf.*PermitUserEnvironment.*not allowed within a Match/s,
  );
  await assert.rejects(
    lab.provider.update(type, path, dropIn(), dropIn({ Nonsense: "1" })),
    /Bad configuration option: Nonsense/,
  );
  assert.equal(await lab.host.run(`cat ${path}`), before);
  assert.equal((await pending()).trim(), "0\n0");
});

test("a preview says it without changing anything", async () => {
  const before = await lab.host.run(`stat -c %Z ${path}`);
  await lab.provider.update(type, path, dropIn(), dropIn({ ClientAliveInterval: "5m" }), true);
  assert.equal(await lab.host.run(`stat -c %Z ${path}`), before);
});

test("a value that sshd spells in its own way is no drift", async () => {
  const inputs = dropIn({ ClientAliveInterval: "5m" });
  const { outputs } = await lab.provider.update(type, path, dropIn(), inputs);
  assert.deepEqual((await drift(lab.provider, type, path, outputs, inputs)).paths, {});
});

test("when nobody can log in any more, the old file is back and the error says so", async () => {
  const before = await lab.host.run(`cat ${path}`);
  // A Match for the administrator too: accepted by sshd, in force, and it locks the administrator out.
  const inputs = {
    ...dropIn(),
    content: `${dropIn().content}Match User root\n    AuthenticationMethods password\n`,
  };
  await assert.rejects(lab.provider.update(type, path, dropIn(), inputs), /nobody could log in any more/);
  assert.equal(await lab.host.run(`cat ${path}`), before);
  await login();
  assert.equal((await pending()).trim(), "0\n0");
});

test("killed between reload and proof, the host puts the old file back by itself", async () => {
  const before = await lab.host.run(`cat ${path}`);
  const doomed = await startProvider();
  // The proof cannot end while sshd's children are stopped: the provider is killed in exactly that moment.
  const change = doomed.update(type, path, dropIn(), dropIn({ PermitUserRC: "no" })).catch(() => "killed");
  const armed = `systemctl is-active --quiet borgpull-sshd-restore-60-borgpull.timer && grep -q PermitUserRC ${path}`;
  for (let i = 0; ; i++) {
    if (await lab.host.run(`${armed} && echo yes || true`).then((said) => said.trim() === "yes")) break;
    if (i > 200) assert.fail("the restore was never armed");
  }
  doomed.process.kill("SIGKILL");
  await change;
  // If the proof was quicker than the kill the change stands and nothing is armed: then there is nothing to see here.
  const left = (await pending()).trim();
  if (left === "0\n0") return assert.match(await lab.host.run(`cat ${path}`), /PermitUserRC/);
  await login();
  await lab.host.run("systemctl start borgpull-sshd-restore-60-borgpull.service");
  for (let i = 0; (await pending()).trim() !== "0\n0"; i++) {
    assert.ok(i < 300, "the restore leaves nothing behind");
    await wait(50);
  }
  assert.equal(await lab.host.run(`cat ${path}`), before);
  await login();
});

test("a timer and a provider that restore at the same time, and a keep that comes too late: the old file is back, once", async () => {
  const inputs = dropIn();
  await lab.provider.update(type, path, inputs, inputs);
  const before = await lab.host.run(`cat ${path}`);
  const sh = scriptText("sshd");
  for (let round = 0; round < 5; round++) {
    await lab.host.run(
      `cat > /root/sshd.sh <<'SSHD_SCRIPT'\n${sh}\nSSHD_SCRIPT\nprintf '# new\\n' | sh /root/sshd.sh change ${path} '' 60 write 6`,
    );
    assert.equal(await lab.host.run(`cat ${path}`), "# new\n");
    await lab.host.run(
      `systemctl start --no-block borgpull-sshd-restore-60-borgpull.service; sh /root/sshd.sh restore ${path}; sh /root/sshd.sh keep ${path} && exit 1 || [ $? = 76 ]`,
    );
    assert.equal(await lab.host.run(`cat ${path}`), before);
  }
});

test("a change that nobody has proved counts for nothing, though it is what is wanted", async () => {
  const inputs = dropIn({ PermitUserRC: "no" });
  const bytes = Buffer.byteLength(inputs.content);
  await lab.host.run(`sh /root/sshd.sh change ${path} '' 60 write ${bytes}`, { stdin: inputs.content });
  const seen = await drift(lab.provider, type, path, { ...inputs, mode: "0644", loaded: true }, inputs);
  assert.deepEqual(seen.paths, { loaded: "UPDATE" });
  const { outputs } = await lab.provider.update(type, path, seen.live, inputs);
  assert.deepEqual((await drift(lab.provider, type, path, outputs, inputs)).paths, {});
  assert.equal((await pending()).trim(), "0\n0");
});

test("a removal that nobody has proved is still ours to finish", async () => {
  const inputs = dropIn();
  await lab.provider.update(type, path, inputs, inputs);
  await lab.host.run(`sh /root/sshd.sh change ${path} '' 60 remove 0`);
  assert.notEqual((await lab.provider.read(type, path, inputs, inputs)).id, "");
  await lab.provider.remove(type, path, inputs, inputs);
  assert.equal((await pending()).trim(), "0\n0");
  assert.equal((await lab.provider.read(type, path, inputs, inputs)).id, "");
  await lab.provider.create(type, inputs);
});

test("a connection cut while the content comes changes nothing", async () => {
  const before = await lab.host.run(`cat ${path}`);
  const cut = (verb: string) => `printf '# half' | sh /root/sshd.sh ${verb}; [ $? = 74 ]`;
  await lab.host.run(cut(`change ${path} '' 60 write 600`));
  await lab.host.run(cut(`try borgpull ${path} 600`));
  assert.equal(await lab.host.run(`cat ${path}`), before);
});

test("a Match that asks for the port is no obstacle", async () => {
  await lab.host.run(
    "printf 'Match LocalPort 2222\\n  PermitTTY yes\\n' > /etc/ssh/sshd_config.d/98-port.conf; systemctl reload ssh",
  );
  const inputs = dropIn();
  const { outputs } = await lab.provider.update(type, path, inputs, inputs);
  assert.deepEqual((await drift(lab.provider, type, path, outputs, inputs)).paths, {});
  await lab.host.run("rm /etc/ssh/sshd_config.d/98-port.conf");
});

test("removal reloads, and a login still works", async () => {
  const inputs = dropIn();
  await lab.provider.remove(type, path, inputs, inputs);
  assert.doesNotMatch(
    await lab.host.run("sshd -T -C user=borgpull,host=x,addr=127.0.0.1"),
    /BORG_PASSPHRASE/,
  );
  assert.equal((await lab.host.run("ls -A /etc/ssh/sshd_config.d; true")).includes("borgpull"), false);
  assert.equal((await pending()).trim(), "0\n0");
});
