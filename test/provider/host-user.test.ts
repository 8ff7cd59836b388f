import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { drift, type Fixture, fixture, owner } from "./fixture.ts";

const type = "borgpull:index:HostUser";
let lab: Fixture;
before(async () => {
  lab = await fixture({ base: "debian13", login: "admin" });
});
after(() => lab[Symbol.asyncDispose]());

const account = (name = "borgpull") => ({
  ...lab.on,
  name,
  folder: `/var/lib/${name}-account`,
  shell: "/bin/sh",
});

test("the account is a system account without password, groups or content", async () => {
  const { id, outputs } = await lab.provider.create(type, account());
  assert.deepEqual((await drift(lab.provider, type, id, outputs, account())).paths, {});
  assert.match(
    await lab.host.run("getent passwd borgpull"),
    new RegExp(`:borgpull ${owner}:/var/lib/borgpull-account:/bin/sh$`, "m"),
  );
  assert.equal((await lab.host.run("getent shadow borgpull | cut -d: -f2")).trim(), "*");
  assert.equal((await lab.host.run("stat -c '%a %U' /var/lib/borgpull-account")).trim(), "700 borgpull");
});

test("shell, lock, password, groups and home each show as what they are, and update repairs", async () => {
  const { id, outputs } = await lab.provider.create(type, account());
  const cases: [string, string][] = [
    ["usermod -s /bin/bash borgpull", "shell"],
    ["usermod -L borgpull", "password"],
    ["echo borgpull:secret | chpasswd", "password"],
    ["usermod -aG adm borgpull", "groups"],
    ["usermod -d /tmp borgpull", "folder"],
    ["chage -E 0 borgpull", "password"],
    ["chmod 755 /var/lib/borgpull-account", "folderState"],
    ["rm -r /var/lib/borgpull-account", "folderState"],
    ["usermod -c 'somebody' borgpull", "owner"],
  ];
  for (const [damage, path] of cases) {
    await lab.host.run(damage);
    const seen = await drift(lab.provider, type, id, outputs, account());
    assert.deepEqual(Object.keys(seen.paths), [path], damage);
    const repaired = await lab.provider.update(type, id, seen.live, account());
    assert.deepEqual((await drift(lab.provider, type, id, repaired.outputs, account())).paths, {}, damage);
  }
});

test("a foreign account and another stack's are refused", async () => {
  await lab.host.run("useradd --system alice; useradd --system -c 'borgpull other/prod' bob");
  await assert.rejects(
    lab.provider.create(type, account("alice")),
    /alice is there already and was not made by borgpull/,
  );
  await assert.rejects(
    lab.provider.create(type, account("bob")),
    /bob belongs to the borgpull stack other\/prod/,
  );
});

test("removal ends its processes and leaves no trace", async () => {
  const { id, outputs } = await lab.provider.create(type, account("gone"));
  await lab.host.run(
    "mkdir -p /run/gone; chown gone /run/gone; systemd-run --quiet --uid=gone sleep 600; while ! pgrep -u gone; do :; done",
  );
  await lab.provider.remove(type, id, outputs, account("gone"));
  assert.equal(
    (
      await lab.host.run(
        "getent passwd gone; getent group gone; ls -d /var/lib/gone-account /run/gone 2>/dev/null; true",
      )
    ).trim(),
    "",
  );
});
