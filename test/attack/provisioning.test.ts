/**
 * What somebody on a VPS may have prepared for the moment in which root writes there, by the real `pulumi up`. Shown elsewhere and not
 * repeated: a drop-in that sorts earlier and takes a setting back (test/e2e/hardened.test.ts, "earlier"; sshd-extra.test.ts), the key
 * once more without options in our file or in root's (test/e2e/drift.test.ts, test/provider/authorized-key.test.ts), a link in place of
 * a file that was ours (test/provider/host-file.test.ts), somebody else's account, folder and files (test/e2e/destroy.test.ts).
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { vpsPaths } from "../../schema/paths.ts";
import { type Ended, openProgram, type Program } from "../e2e/program.ts";

const paths = vpsPaths("borgpull");
/** Every file of ours on a VPS, but for the one with the key lines. */
const files = [
  ...[paths.tmpfiles, paths.borgctl, paths.helper, paths.create, paths.commands, paths.hash, paths.relay],
  ...[paths.sudoers, paths.dropIn],
  ...["conf", "patterns"].map((kind) => `${paths.jobs}/linked.${kind}`),
];
const precious = "mkdir /srv/precious; echo precious > /srv/precious/file";

interface Case {
  readonly name: string;
  /** Done as root of a fresh host that has a user mallory; what it reads is a program that shows that it ran. */
  readonly prepare: string;
  /** The refusal. */
  readonly says: RegExp;
  /** Prints what must stay as it is. */
  readonly look: string;
}

const cases: readonly Case[] = [
  {
    name: "foreign-folder",
    prepare: `mkdir /home/mallory/lib; chown mallory /home/mallory/lib; ln -s /home/mallory/lib ${paths.libexec}`,
    says: /borgpull\/borgctl could not be written: \/home\/mallory\/lib belongs to another user/,
    look: "ls -lnA /home/mallory/lib",
  },
  {
    name: "open-folder",
    prepare: `mkdir -p ${paths.jobs}; chmod 777 ${paths.jobs}`,
    says: /open-folder\.conf could not be written: .*\/jobs can be written by others than its owner/,
    look: `ls -lnA ${paths.jobs}`,
  },
  {
    name: "account-home",
    prepare: `${precious}; ln -s /srv/precious ${paths.home}`,
    says: /borgpull-account is there already and was not made by borgpull/,
    look: "ls -lnAd /srv/precious /srv/precious/file",
  },
  {
    name: "run-folder",
    prepare: `${precious}; ln -s /srv/precious ${paths.run}; ln -s /srv/precious/file ${paths.lock}`,
    says: /"\/run\/borgpull" already exists and is not a directory/,
    look: "ls -lnAd /srv/precious /srv/precious/file",
  },
  {
    name: "key-lines",
    prepare: `${precious}; ln -s /srv/precious/file ${paths.authorizedKeys}`,
    says: /borgpull\.authorized_keys could not be changed: .* is a symbolic link/,
    look: "cat /srv/precious/file",
  },
  {
    name: "hostile-borg",
    prepare: `chmod 1777 /usr/local/bin; cd /usr/local/bin
      cat > borg; for name in sh id awk sudo sshd find stat; do cp borg $name; done; chown mallory *; chmod 755 *`,
    says: /borg at \/usr\/local\/bin\/borg, which others than root can write, is not supported/,
    look: "ls -d /tmp/harm* 2>/dev/null || :",
  },
  {
    name: "environment",
    prepare: `printf 'Match User borgpull\\n  AcceptEnv LD_* BORG_*\\n' > /etc/ssh/sshd_config.d/10-env.conf
      systemctl reload ssh`,
    says: /AcceptEnv would be "LD_\* BORG_\* BORG_PASSPHRASE" instead of "BORG_PASSPHRASE"/,
    look: `ls ${paths.dropIn} 2>/dev/null || :`,
  },
];
const hostile = '#!/bin/sh\n/usr/bin/id > /tmp/harm.$$; echo "borg 1.2.4"\n';

let program: Program;
let done: Ended;
const sound = new Map<string, string>();

before(async () => {
  const names = [...cases.map(({ name }) => name), "linked"];
  program = await openProgram(names.map((name) => ({ name, base: "debian12", login: "root" })));
  for (const { name, prepare, look } of cases) {
    await program.host(name).run(`useradd -m mallory; ${prepare}`, { stdin: hostile });
    sound.set(name, await program.host(name).run(look));
  }
  await program.host("linked").run(`mkdir /srv/precious
    for file in ${files.join(" ")}; do
      mkdir -p $(dirname $file); echo precious > /srv/precious/$(basename $file); ln -s /srv/precious/$(basename $file) $file
    done`);
  const small = { paths: ["/etc/ssh"] };
  await program.configure({
    ...Object.fromEntries(cases.map(({ name }) => [name, program.entry(name, small)])),
    linked: program.entry("linked", { ...small, adopt: true }),
  });
  done = await program.up({ env: { BORGPULL_PULL: "never" } });
});
after(() => program?.[Symbol.asyncDispose]());

for (const { name, says, look } of cases)
  test(`${name}: it is refused by name, and nothing is written through it or run`, async () => {
    assert.notEqual(done.code, 0);
    const about = done.out.split("\n").filter((line) => line.includes(program.host(name).address));
    assert.match(about.join("\n"), says);
    assert.equal(await program.host(name).run(look), sound.get(name));
  });

test("a link in place of each of our files is replaced where we may take it over, and what it led to stays as it was", async () => {
  const type = `stat -c %F ${files.join(" ")} | sort -u; cat /srv/precious/* | sort | uniq -c`;
  const seen = (await program.host("linked").run(type)).trim().split(/\s*\n\s*/);
  assert.deepEqual(seen, ["regular file", `${files.length} precious`]);
});
