/** What waits for `pulumi up` in the places of those who may log in to a VPS: the administrator's PATH, the key lines, the account's own home. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { openLedger } from "../../pull/ledger.ts";
import { command } from "../../sandbox/command.ts";
import { homePaths } from "../../schema/paths.ts";
import { shellWord } from "../../templates/quote.ts";
import { openProgram, type Program } from "../e2e/program.ts";
import { paths, runAsAccount } from "./furnished.ts";
import { type Client, openssh } from "./openssh.ts";

let program: Program;
let client: Client;
const host = () => program.host("web1");
const home = () => homePaths({ ...program.stack.env });
/** Leaves a note of who has run it, and does what it is called for. */
const hostile = (name: string) => `#!/bin/sh\n/usr/bin/id -un >> /tmp/ran; exec ${name} "$@"\n`;
const programs = [
  "/usr/bin/borg",
  "/bin/sh",
  "/usr/bin/sudo",
  "/usr/sbin/sshd",
  "/usr/bin/find",
  "/usr/bin/nc",
];

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "admin" }]);
  // A pull key that has been at home, and in use, before: on the VPS somebody has let it in without any option.
  const key = home().pullKey("web1");
  fs.mkdirSync(path.dirname(key), { recursive: true, mode: 0o700 });
  const owner = `borgpull/${program.stack.name}`;
  await command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", `borgpull ${owner} web1`, "-f", key]);
  await host().run(
    `cat > ${paths.authorizedKeys}
    mkdir -p /home/admin/bin; cd /home/admin/bin; touch /tmp/ran; chmod 666 /tmp/ran
    ${programs.map((name) => `printf %s ${shellWord(hostile(name))} > ${path.posix.basename(name)}`).join("\n")}
    chmod 755 *
    for file in .bashrc .profile; do echo 'PATH=/home/admin/bin:$PATH' | cat - ../$file > new; mv new ../$file; done
    chown -R admin /home/admin`,
    { stdin: fs.readFileSync(`${key}.pub`, "utf8") },
  );
  await program.configure({ web1: program.entry("web1", { paths: ["/etc/ssh"] }) });
  client = openssh(host(), key, program.stack.folder);
});
after(() => program?.[Symbol.asyncDispose]());

const pulled = () => {
  using ledger = openLedger(home().stateDb);
  return ledger.lastGood("web1")?.run;
};

test("a hostile borg and other programs early in the administrator's PATH are not run by root", async () => {
  const { code, out } = await program.up();
  assert.equal(code, 0, out);
  assert.ok(pulled());
  assert.deepEqual(
    (await host().run("sort -u /tmp/ran")).trim().split("\n"),
    ["admin"],
    "and the administrator's own shell ran them",
  );
});

test("the pull key that was there without options is there once, and runs nothing", async () => {
  const { code, stdout } = await client.ssh([], "touch /tmp/harm");
  assert.deepEqual([code, stdout], [200, ""]);
  assert.match(await host().run(`cat ${paths.authorizedKeys}`), /^restrict,.*\n$/);
});

test("a folder of root's programs that others can write is drift, and up says what to mend", async () => {
  await host().run(`chmod 777 ${paths.libexec}`);
  const { code, out } = await program.up({ env: { BORGPULL_PULL: "never" } });
  assert.notEqual(code, 0);
  assert.match(
    out,
    /borgpull\/helper could not be written: .*\/lib\/borgpull can be written by others than its owner/,
  );
  await host().run(`chmod 755 ${paths.libexec}`);
  assert.equal(await program.clean(), 0);
});

/** What the account can put where root goes as well: into its home and the run folder. */
const planted = [".cache", ".config", ".local", ".ssh/rc", ".profile", "link"].map(
  (name) => `${paths.home}/${name}`,
);

test("what the account has planted in its own folders lets nobody in, and leads neither a pull, nor an up, nor a destroy astray", async () => {
  const own = path.join(program.stack.folder, "own-key");
  await command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own]);
  await host().run(
    "mkdir -m 777 /srv/precious; echo precious > /srv/precious/file; chmod 666 /srv/precious/file",
  );
  await runAsAccount(
    host(),
    `mkdir -p ${paths.home}/.ssh; echo '${fs.readFileSync(`${own}.pub`, "utf8").trim()}' > ${paths.home}/.ssh/authorized_keys
    for link in ${planted.join(" ")} ${paths.run}/link ${paths.run}/old.sock; do ln -s /srv/precious $link; done
    cp ${paths.home}/.ssh/authorized_keys ${paths.home}/.ssh/authorized_keys2`,
  );
  const precious = () => host().run("find /srv/precious -printf '%p %M %u %l\\n' -type f -exec cat {} +");
  const before = await precious();
  const first = pulled();

  const refused = await openssh(host(), own, program.stack.folder).ssh([], "id");
  assert.match(refused.stderr, /Permission denied/);
  assert.equal(await program.clean(), 0, "none of it is borgpull's");
  const { code, out } = await program.up({ env: { BORGPULL_PULL: "all" } });
  assert.equal(code, 0, out);
  assert.notEqual(pulled(), first);
  const destroyed = await program.destroy();
  assert.equal(destroyed.code, 0, destroyed.out);
  assert.equal(await precious(), before);
  assert.equal(await host().run(`ls -d ${paths.home} ${paths.run} /var/cache/borgpull 2>/dev/null || :`), "");
});
