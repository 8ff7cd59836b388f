import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { scriptText } from "../../remote/host.ts";
import { InitFailed } from "./driver.ts";
import { drift, type Fixture, fixture, owner } from "./fixture.ts";

const type = "borgpull:index:HostFile";
let lab: Fixture;
before(async () => {
  lab = await fixture();
});
after(() => lab[Symbol.asyncDispose]());

const mark = `# Managed by borgpull, owner ${owner}.\n`;
const file = (path: string, extra: Record<string, unknown> = {}) => ({
  ...lab.on,
  path,
  content: `${mark}one\n`,
  mode: "0644",
  user: "root",
  group: "root",
  ...extra,
});

test("a file is written with its mode and owner, and read back without a difference", async () => {
  const inputs = file("/etc/made/here.conf", { mode: "0640", group: "daemon", within: "/etc/made" });
  const made = await lab.provider.create(type, inputs);
  assert.equal(made.refreshBeforeUpdate, true);
  assert.equal((await lab.host.run("stat -c '%a %U %G' /etc/made/here.conf")).trim(), "640 root daemon");
  assert.deepEqual((await drift(lab.provider, type, made.id, made.outputs, inputs)).paths, {});
  await lab.provider.remove(type, made.id, made.outputs, inputs);
  assert.equal((await lab.host.run("ls -d /etc/made 2>&1 || true")).includes("cannot access"), true);
});

test("content, mode, owner, a link in its place and a deletion each show as what they are, and update repairs", async () => {
  const inputs = file("/etc/drift.conf");
  const { id, outputs } = await lab.provider.create(type, inputs);
  const cases: [string, string[]][] = [
    ["sed -i s/one/two/ /etc/drift.conf", ["content"]],
    ["chmod 600 /etc/drift.conf", ["mode"]],
    ["chown daemon /etc/drift.conf", ["user"]],
    ["echo x > /etc/elsewhere; ln -sf /etc/elsewhere /etc/drift.conf", ["type"]],
  ];
  for (const [damage, paths] of cases) {
    await lab.host.run(damage);
    const seen = await drift(lab.provider, type, id, outputs, inputs);
    assert.deepEqual(Object.keys(seen.paths), paths, damage);
    const repaired = await lab.provider.update(type, id, seen.live, inputs);
    assert.deepEqual((await drift(lab.provider, type, id, repaired.outputs, inputs)).paths, {}, damage);
  }
  assert.equal(
    (await lab.host.run("cat /etc/elsewhere")).trim(),
    "x",
    "what the link pointed at is untouched",
  );
  await lab.host.run("rm /etc/drift.conf");
  assert.deepEqual((await drift(lab.provider, type, id, outputs, inputs)).paths, { "(gone)": "DELETE" });
});

test("what is there already: ours is taken, another stack's is refused, a foreign one needs adopt", async () => {
  const put = (text: string) => lab.host.run(`printf '%s\\n' '${text}' > /etc/there.conf`);
  await put(mark.trim());
  await lab.provider.create(type, file("/etc/there.conf"));
  await put("# Managed by borgpull, owner other/prod.");
  await assert.rejects(
    lab.provider.create(type, file("/etc/there.conf")),
    /belongs to the borgpull stack other\/prod/,
  );
  await assert.rejects(lab.provider.create(type, file("/etc/there.conf", { adopt: true })), /other\/prod/);
  await put("by hand");
  await assert.rejects(
    lab.provider.create(type, file("/etc/there.conf")),
    /not made by borgpull.*adopt: true/s,
  );
  assert.equal((await lab.host.run("cat /etc/there.conf")).trim(), "by hand");
  await lab.provider.create(type, file("/etc/there.conf", { adopt: true }));
});

test("a candidate that its validation refuses is never in place, and a broken one leaves no temp file", async () => {
  const inputs = file("/etc/sudoers.d/bad", {
    content: `${mark}this is no sudoers line\n`,
    mode: "0440",
    validate: ["visudo", "-cqf", "%s"],
  });
  await assert.rejects(lab.provider.create(type, inputs), /visudo.*refuses it/s);
  assert.equal((await lab.host.run("ls -A /etc/sudoers.d")).trim(), "README");
});

test("a failed activation is recorded, shown by the next read, and tried again", async () => {
  const inputs = file("/etc/act.conf", { activate: ["test", "-e", "/etc/ready"] });
  const failure = await lab.provider.create(type, inputs).then(
    () => assert.fail("it should have failed"),
    (error) => error,
  );
  assert.ok(failure instanceof InitFailed);
  assert.equal(failure.refreshBeforeUpdate, true);
  const seen = await drift(lab.provider, type, failure.id, failure.outputs, inputs);
  assert.deepEqual(seen.paths, { activated: "UPDATE" });
  const checked = (await lab.provider.check(type, inputs)).inputs;
  assert.deepEqual((await drift(lab.provider, type, failure.id, failure.outputs, checked)).paths, {
    activated: "UPDATE",
  });
  await lab.host.run("touch /etc/ready");
  const { outputs } = await lab.provider.update(type, failure.id, seen.live, inputs);
  assert.deepEqual((await drift(lab.provider, type, failure.id, outputs, inputs)).paths, {});
});

test("a folder that the activation makes is watched and repaired", async () => {
  const inputs = file("/etc/tmpfiles.d/t.conf", {
    content: `${mark}d /run/t 0700 daemon daemon -\n`,
    activate: ["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/t.conf"],
    folder: { path: "/run/t", mode: "0700", user: "daemon", group: "daemon" },
  });
  const { id, outputs } = await lab.provider.create(type, inputs);
  for (const damage of ["chmod 755 /run/t", "rmdir /run/t", "chown root /run/t"]) {
    await lab.host.run(damage);
    const seen = await drift(lab.provider, type, id, outputs, inputs);
    assert.ok(
      Object.keys(seen.paths).every((path) => path.startsWith("folder")) &&
        Object.keys(seen.paths).length > 0,
      damage,
    );
    const repaired = await lab.provider.update(type, id, seen.live, inputs);
    assert.deepEqual((await drift(lab.provider, type, id, repaired.outputs, inputs)).paths, {}, damage);
  }
});

test("a folder that others may write in is refused, and nothing is written through it", async () => {
  await lab.host.run("mkdir -p /srv/open && chmod 777 /srv/open");
  await assert.rejects(lab.provider.create(type, file("/srv/open/x.conf")), /can be written by others/);
  assert.equal((await lab.host.run("ls -A /srv/open")).trim(), "");
});

test("while a pull holds the host's lock nothing is changed; afterwards it is", async () => {
  await lab.host.run(
    "touch /run/vps.lock; systemd-run --quiet --unit=holder flock -s /run/vps.lock sleep 300; while ! lsof /run/vps.lock >/dev/null 2>&1 && ! grep -q FLOCK /proc/locks; do :; done",
  );
  let done = false;
  const writing = lab.provider.create(type, file("/etc/locked.conf", { lock: "/run/vps.lock" })).then(() => {
    done = true;
  });
  // Reads are not held up, and each takes longer than a write would: three of them give the write its chance to go wrong.
  for (let i = 0; i < 3; i++) await drift(lab.provider, type, "/etc/none", {}, file("/etc/none"));
  assert.equal(done, false);
  assert.equal((await lab.host.run("ls /etc/locked.conf 2>/dev/null || echo none")).trim(), "none");
  await lab.host.run("systemctl stop holder");
  await writing;
  assert.ok((await lab.host.run("cat /etc/locked.conf")).includes("one"));
});

test("a lock that a neighbour removes or replaces meanwhile stops no change, and an old one holds nobody", async () => {
  await lab.host.run("mkdir /etc/gone");
  const neighbour = "while [ -d /etc/gone ]; do touch /etc/gone/lock; rm /etc/gone/lock; done";
  await lab.host.run(`setsid sh -c '${neighbour}' >/dev/null 2>&1 &`);
  await lab.host.run(`cat >/root/remove.sh <<'REMOVE'\n${scriptText("remove-file")}\nREMOVE`);
  const remove = "sh /root/remove.sh /etc/none /etc/gone/lock '' || [ $? = 75 ]";
  await lab.host.run(`for each in $(seq 300); do ${remove} || exit 1; done; rm -rf /etc/gone`);

  const hold = (unit: string) => `systemd-run --quiet --unit=${unit} flock -s /run/replaced.lock sleep 300
    while flock -n -x /run/replaced.lock true; do :; done`;
  await lab.host.run(`touch /run/replaced.lock; ${hold("before")}`);
  const waiting = lab.host.run("sh /root/remove.sh /etc/none /run/replaced.lock ''; echo exit $?");
  await lab.host.run(`until pgrep -f '^flock -x'; do :; done
    touch /run/new.lock; mv /run/new.lock /run/replaced.lock; ${hold("after")}; systemctl stop before`);
  assert.match(await waiting, /exit 75/);
  await lab.host.run("systemctl stop after");
  assert.match(
    await lab.host.run("sh /root/remove.sh /etc/none /run/replaced.lock ''; echo exit $?"),
    /exit 0/,
  );
});

test("the temp files of other writes in the same folder come and go without harm", async () => {
  await lab.host.run("mkdir /etc/busy");
  const others = [
    "import os",
    "while os.path.isdir('/etc/busy'):",
    "  for each in range(10000000, 10000200): open(f'/etc/busy/.borgpull.{each}', 'w').close()",
    "  for each in range(10000000, 10000200): os.unlink(f'/etc/busy/.borgpull.{each}')",
  ].join("\n");
  await lab.host.run(`setsid python3 -c "${others}" >/dev/null 2>&1 &`);
  for (let each = 0; each < 20; each++) await lab.provider.create(type, file(`/etc/busy/${each}.conf`));
  assert.equal((await lab.host.run("ls /etc/busy/*.conf | wc -l")).trim(), "20");
  await lab.host.run("until rm -rf /etc/busy; do :; done");
});

test("a removed file that somebody else took over in the meantime stays", async () => {
  const inputs = file("/etc/taken.conf");
  const { id, outputs } = await lab.provider.create(type, inputs);
  await lab.host.run("echo '# Managed by borgpull, owner other/prod.' > /etc/taken.conf");
  await lab.provider.remove(type, id, outputs, inputs);
  assert.ok((await lab.host.run("cat /etc/taken.conf")).includes("other/prod"));
});

test("a resource that was renamed is not deleted under its old name after it was made under the new one", async () => {
  const inputs = file("/etc/renamed.conf");
  const { id, outputs } = await lab.provider.create(type, inputs);
  await lab.provider.create(type, inputs, false, "new-name");
  await lab.provider.remove(type, id, outputs, inputs);
  assert.ok((await lab.host.run("cat /etc/renamed.conf")).includes("one"));
});
