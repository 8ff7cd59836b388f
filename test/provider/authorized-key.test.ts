import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { InitFailed } from "./driver.ts";
import { drift, type Fixture, fixture, owner } from "./fixture.ts";

const type = "borgpull:index:AuthorizedKey";
const path = "/etc/ssh/borgpull.authorized_keys";
let lab: Fixture;
let keys: string[];
before(async () => {
  lab = await fixture();
  keys = (
    await lab.host.run(
      "for i in 1 2 3; do ssh-keygen -q -t ed25519 -N '' -f /tmp/k$i </dev/null; cut -d' ' -f1,2 /tmp/k$i.pub; done",
    )
  )
    .trim()
    .split("\n");
});
after(() => lab[Symbol.asyncDispose]());

const key = (job: string, number: number) => ({
  ...lab.on,
  path,
  publicKey: keys[number] as string,
  options: { restrict: "", "port-forwarding": "", permitlisten: "localhost:1", permitopen: "localhost:1" },
  command: `/usr/local/lib/borgpull/borgctl ${job}`,
  comment: `${job}: Managed by borgpull, owner ${owner}.`,
});

test("two jobs' lines stand in one file, written at the same time, and each goes alone", async () => {
  const [a, b] = await Promise.all([
    lab.provider.create(type, key("web1", 0)),
    lab.provider.create(type, key("mail", 1)),
  ]);
  const text = await lab.host.run(`cat ${path}`);
  assert.equal(text.trim().split("\n").length, 2);
  assert.ok(text.endsWith("\n"));
  assert.equal((await lab.host.run(`stat -c '%a %U' ${path}`)).trim(), "644 root");
  assert.deepEqual((await drift(lab.provider, type, a.id, a.outputs, key("web1", 0))).paths, {});
  await lab.provider.remove(type, b.id, b.outputs, key("mail", 1));
  assert.match(await lab.host.run(`cat ${path}`), / web1: Managed by borgpull/);
  await lab.provider.remove(type, a.id, a.outputs, key("web1", 0));
  assert.equal((await lab.host.run(`ls ${path} 2>/dev/null; true`)).trim(), "");
});

test("an option, the command, a stray copy in our file: each shows as what it is and is repaired", async () => {
  const inputs = key("web1", 0);
  const { id, outputs } = await lab.provider.create(type, inputs);
  const cases: [string, string[]][] = [
    [`sed -i 's/restrict,//' ${path}`, ["options.restrict"]],
    [`sed -i 's/permitlisten="localhost:1"/permitlisten="localhost:2"/' ${path}`, ["options.permitlisten"]],
    [`sed -i 's/borgctl web1/borgctl other/' ${path}`, ["command"]],
    [`sed -i '1i ${inputs.publicKey} stray' ${path}`, ["strays"]],
  ];
  for (const [damage, paths] of cases) {
    await lab.host.run(damage);
    const seen = await drift(lab.provider, type, id, outputs, inputs);
    assert.deepEqual(Object.keys(seen.paths), paths, damage);
    const repaired = await lab.provider.update(type, id, seen.live, inputs);
    assert.deepEqual((await drift(lab.provider, type, id, repaired.outputs, inputs)).paths, {}, damage);
  }
  assert.equal((await lab.host.run(`wc -l < ${path}`)).trim(), "1");
});

test("the key in root's file is named with file and line, and that file is not touched", async () => {
  const inputs = key("web1", 0);
  const { id, outputs } = await lab.provider.create(type, inputs);
  const before = await lab.host.run("cat /root/.ssh/authorized_keys");
  await lab.host.run(`echo '${inputs.publicKey} copy' >> /root/.ssh/authorized_keys`);
  const line = (await lab.host.run("wc -l < /root/.ssh/authorized_keys")).trim();
  const seen = await drift(lab.provider, type, id, outputs, inputs);
  assert.deepEqual(seen.paths, { elsewhere: "UPDATE" });
  const failure = await lab.provider.update(type, id, seen.live, inputs).catch((error) => error);
  assert.ok(failure instanceof InitFailed);
  assert.match(failure.message, new RegExp(`/root/\\.ssh/authorized_keys:${line}\\b`));
  assert.equal(await lab.host.run("cat /root/.ssh/authorized_keys"), `${before}${inputs.publicKey} copy\n`);
  await lab.host.run("sed -i '/ copy$/d' /root/.ssh/authorized_keys");
  assert.deepEqual((await drift(lab.provider, type, id, outputs, inputs)).paths, {});
});

test("another key takes the old one's place, and a neighbour without a final newline is not merged into it", async () => {
  const { id, outputs } = await lab.provider.create(type, key("web1", 0));
  await lab.host.run(`printf '%s' '${keys[2]} db1: Managed by borgpull, owner ${owner}.' >> ${path}`);
  await lab.provider.update(type, id, outputs, key("web1", 1));
  const text = await lab.host.run(`cat ${path}`);
  assert.deepEqual(
    text
      .trim()
      .split("\n")
      .map((line) => /(\w+): Managed/.exec(line)?.[1]),
    ["web1", "db1"],
  );
  assert.equal(text.includes(keys[0] as string), false);
});

test("a key that no borgpull put into our file is shown with its line, and removed", async () => {
  const inputs = key("web1", 1);
  const { id, outputs } = await lab.provider.create(type, inputs);
  await lab.host.run(`printf '%s\\n' '# a comment' '${keys[0]} mallory' >> ${path}`);
  const seen = await drift(lab.provider, type, id, outputs, inputs);
  assert.deepEqual(seen.paths, { strays: "UPDATE" });
  assert.match(String(seen.live.strays), /^\d+: ssh-ed25519 \S+ mallory$/);
  const repaired = await lab.provider.update(type, id, seen.live, inputs);
  assert.deepEqual((await drift(lab.provider, type, id, repaired.outputs, inputs)).paths, {});
  assert.doesNotMatch(await lab.host.run(`cat ${path}`), /mallory/);
});
