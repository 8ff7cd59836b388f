import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { borgEnvironment } from "../../pull/borg.ts";
import { readJobFile } from "../../pull/job.ts";
import { openLedger } from "../../pull/ledger.ts";
import { probe } from "../../pull/probe.ts";
import { openStack, pulumi, type Stack, writeConfig } from "../../sandbox/demo/stack.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { planned } from "./plan.ts";
import { openProgram, type Program } from "./program.ts";

const never = { env: { BORGPULL_PULL: "never" } };
const paths = vpsPaths("borgpull");
const odd = `/srv/files/it's "my" data`;
const files = {
  paths: [odd, "/srv/files/plain", "/home/app"],
  exclude: ["*.cache", "sh:/srv/files/**/tmp/*"],
  hooks: {
    before: { user: "app", run: `id -un > ~/dump; echo "it's $(wc -l < ~/dump) line" >> ~/dump` },
    after: { user: "root", run: "id -un > /root/after; rm /home/app/dump" },
  },
};
const mail = { paths: ["/srv/mail"] };
let program: Program;

before(async () => {
  program = await openProgram([
    { name: "web1", base: "debian12", login: "root" },
    { name: "db1", base: "debian13", login: "admin" },
  ]);
  await onWeb(`
    useradd --create-home app
    mkdir -p '${odd.replaceAll("'", "'\\''")}' /srv/files/plain/tmp /srv/mail /srv/extra
    cd '${odd.replaceAll("'", "'\\''")}'; echo odd > note.txt; echo no > page.cache
    cd /srv/files/plain; echo plain > keep.txt; echo no > page.cache; echo no > tmp/no.txt
    echo inbox > /srv/mail/inbox; echo extra > /srv/extra/more.txt`);
  await program
    .host("db1")
    .run("mkdir /srv/db; echo open > /srv/db/open; (umask 077; echo own > /srv/db/own)");
  await configure({ files, mail });
  const { code, out } = await program.up();
  assert.equal(code, 0, out);
});
after(() => program?.[Symbol.asyncDispose]());

const onWeb = (script: string) => program.host("web1").run(script);

/** web1 with its jobs, and db1 with one job of its name. */
const configure = (jobs: Readonly<Record<string, unknown>>, db1: Readonly<Record<string, unknown>> = {}) => {
  const { paths: _, ...web1 } = program.entry("web1", { jobs });
  const own = { paths: ["/srv/db"], privilege: "user", ...db1 };
  return program.configure({ web1, db1: program.entry("db1", own) });
};

const home = (stack: Stack = program.stack) => homePaths(stack.env);

function borg(job: string, ...args: string[]): string {
  return execFileSync("borg", args, {
    encoding: "utf8",
    cwd: path.join(program.stack.repositories, job),
    env: {
      ...borgEnvironment(home().state),
      BORG_REPO: path.join(program.stack.repositories, job),
      BORG_PASSCOMMAND: `cat ${home().passphrase(job)}`,
    },
  });
}
const archives = (job: string): readonly string[] => borg(job, "list", "--short").split("\n").filter(Boolean);
const last = (job: string): string => archives(job).at(-1) ?? "";
const contents = (job: string): readonly string[] =>
  borg(job, "list", "--short", `::${last(job)}`)
    .split("\n")
    .filter((name) => name !== "" && !name.includes("/canary/"));
const restored = (job: string, file: string): string =>
  borg(job, "extract", "--stdout", `::${last(job)}`, `pp:${file}`);
/** Who ran borg on the VPS. */
const backedUpBy = (job: string): string =>
  (JSON.parse(borg(job, "info", "--json", `::${last(job)}`)) as { archives: { username: string }[] })
    .archives[0]?.username ?? "";

const counts = () => ({ files: archives("files").length, mail: archives("mail").length });

function lastRun(job: string) {
  using ledger = openLedger(home().stateDb);
  return ledger.lastGood(job);
}

/** As if the job's runs had been so long ago. */
function age(job: string, hours: number): void {
  const script = `UPDATE runs SET started = started - ${hours * 3600_000}, finished = finished - ${hours * 3600_000} WHERE job = '${job}'`;
  execFileSync(process.execPath, [
    "--eval",
    `new (require("node:sqlite").DatabaseSync)(${JSON.stringify(home().stateDb)}).exec(${JSON.stringify(script)})`,
  ]);
}

describe("two jobs on one host", { timeout: 600_000 }, () => {
  it("are pulled by the first up, each into its own repository, without what is excluded", () => {
    assert.deepEqual(counts(), { files: 1, mail: 1 });
    assert.deepEqual(contents("mail"), ["srv/mail", "srv/mail/inbox"]);
    assert.deepEqual(
      contents("files")
        .filter((name) => name.startsWith("srv"))
        .toSorted(),
      [
        odd.slice(1),
        `${odd.slice(1)}/note.txt`,
        "srv/files/plain",
        "srv/files/plain/keep.txt",
        "srv/files/plain/tmp",
      ],
    );
    assert.equal(restored("files", `${odd.slice(1)}/note.txt`), "odd\n");
    assert.equal(restored("mail", "srv/mail/inbox"), "inbox\n");
    assert.equal(lastRun("files")?.outcome, "good");
    assert.equal(backedUpBy("files"), "borgpull");
  });

  it("have hooks that run as the user they name, before and after", async () => {
    assert.equal(restored("files", "home/app/dump"), "app\nit's 1 line\n");
    assert.equal(await onWeb("cat /root/after; ls /home/app"), "root\n");
  });

  it("leave nothing to do", async () => {
    assert.equal(await program.clean({ env: { BORGPULL_PULL: "" } }), 0);
  });

  it("one with other paths: the preview shows just that, up changes just that, and the next pull has it", async () => {
    const changed = () => onWeb(`stat -c '%n %Z' ${paths.jobs}/* ${paths.authorizedKeys} ${paths.dropIn}`);
    const earlier = await changed();
    await configure({ files: { ...files, paths: [...files.paths, "/srv/extra"] }, mail });
    const preview = await program.preview({ args: ["--expect-no-changes"] });
    assert.deepEqual(planned(preview.out), ["~ files-patterns (update)", "~ content:", "+ R /srv/extra"]);
    assert.equal(preview.code, 7);
    const up = await program.up({ env: { BORGPULL_PULL: "files" } });
    assert.equal(up.code, 0, up.out);
    assert.match(up.out, /~ 2 updated/); // the settings, and the pull that was asked for
    const differing = (await changed()).split("\n").filter((line) => !earlier.includes(line));
    assert.deepEqual(
      differing.map((line) => line.split(" ")[0]),
      [`${paths.jobs}/files.patterns`],
    );
    assert.equal(restored("files", "srv/extra/more.txt"), "extra\n");
    assert.deepEqual(counts(), { files: 2, mail: 1 });
    await configure({ files, mail });
    assert.equal((await program.up(never)).code, 0);
  });
});

describe("which jobs are pulled", { timeout: 600_000 }, () => {
  it("is said by BORGPULL_PULL for one run: some, all, none", async () => {
    const before = counts();
    const one = { env: { BORGPULL_PULL: "mail" } };
    const preview = await program.preview({ ...one, args: ["--expect-no-changes"] });
    assert.deepEqual(planned(preview.out).slice(0, 2), [
      "~ mail-pull (update)",
      '~ pull: "due: asked for by BORGPULL_PULL" => "stale"',
    ]);
    assert.equal(preview.code, 7);
    assert.equal((await program.up(one)).code, 0);
    assert.deepEqual(counts(), { files: before.files, mail: before.mail + 1 });
    assert.equal((await program.up({ env: { BORGPULL_PULL: "all" } })).code, 0);
    assert.deepEqual(counts(), { files: before.files + 1, mail: before.mail + 2 });
  });

  it("is decided by the age of the last good backup, unless BORGPULL_PULL is never", async () => {
    const before = counts();
    age("mail", 40);
    assert.equal(await program.clean(never), 0);
    assert.equal((await program.up(never)).code, 0);
    assert.deepEqual(counts(), before);
    const preview = await program.preview({ args: ["--expect-no-changes"] });
    assert.deepEqual(planned(preview.out).slice(0, 2), [
      "~ mail-pull (update)",
      '~ pull: "due: the last good backup is 40 h old" => "stale"',
    ]);
    assert.equal(preview.code, 7);
    assert.equal((await program.up()).code, 0);
    assert.deepEqual(counts(), { files: before.files, mail: before.mail + 1 });
    assert.equal(await program.clean({ env: { BORGPULL_PULL: "" } }), 0);
  });
});

describe("what a backup may read", { timeout: 600_000 }, () => {
  const pulled = async (privilege: string) => {
    await configure({ files, mail }, { privilege });
    const up = await program.up({ env: { BORGPULL_PULL: "db1" } });
    assert.equal(up.code, 0, up.out);
    return up;
  };

  it("with privilege user is what the account may: an unreadable file makes a good backup with a warning", async () => {
    const { out } = await pulled("user");
    assert.match(out, /warning: .*\/srv\/db\/own.*Permission denied/);
    assert.equal(lastRun("db1")?.outcome, "warning");
    assert.match(`${lastRun("db1")?.warnings}`, /\/srv\/db\/own/);
    assert.deepEqual(contents("db1"), ["srv/db", "srv/db/open"]);
    assert.equal(backedUpBy("db1"), "borgpull");
    assert.equal(await program.clean({ env: { BORGPULL_PULL: "" } }), 0);
    assert.equal(await program.host("db1").run("ls /etc/sudoers.d"), "README\nadmin\n");
  });

  it("with privilege root is everything, as root", async () => {
    await pulled("root");
    assert.equal(lastRun("db1")?.outcome, "good");
    assert.equal(restored("db1", "srv/db/own"), "own\n");
    assert.equal(backedUpBy("db1"), "root");
  });

  it("is taken back: with privilege user again the sudoers file is gone", async () => {
    await configure({ files, mail }, { privilege: "user" });
    assert.ok(planned((await program.preview(never)).out).includes("- db1-sudoers (delete)"));
    assert.equal((await program.up(never)).code, 0);
    assert.equal(await program.host("db1").run("ls /etc/sudoers.d"), "README\nadmin\n");
    assert.equal(await program.clean(), 0);
  });
});

describe("a second home on the same host", { timeout: 600_000 }, () => {
  it("has an account, paths and backups of its own, and leaves the first alone when it goes", async () => {
    const folder = await fs.promises.mkdtemp(path.join(os.tmpdir(), "borgpull-e2e-"));
    const second = await openStack(`${program.stack.name}second`, folder);
    const run = async (...args: string[]) => {
      const child = pulumi(second, [...args, "--non-interactive", "--color=never"]);
      let out = "";
      for (const stream of [child.stdout, child.stderr]) stream?.on("data", (text) => (out += text));
      const [code] = await once(child, "close");
      assert.equal(code, 0, out);
      return out;
    };
    const mine = () =>
      onWeb(
        `sha256sum $(find / -xdev -path '*borgpull*' -type f -not -path '*/.cache/*' -not -path '*/.config/*'); getent passwd borgpull`,
      );
    try {
      const first = await mine();
      await run("stack", "select", "--create");
      const { paths: _, ...entry } = program.entry("web1", { instance: "office", jobs: { files: mail } });
      await writeConfig(second, { repositories: second.repositories, hosts: { web1: entry } });
      await run("up", "--yes", "--skip-preview");
      assert.equal((await run("preview", "--expect-no-changes")).includes("to update"), false);
      const job = readJobFile(home(second).jobFile("files"));
      assert.equal(job.pull.user, "office");
      assert.ok(fs.readdirSync(path.join(second.repositories, "files/data/0")).length > 1);
      assert.equal(await onWeb("getent passwd office | cut -d: -f6"), `${vpsPaths("office").home}\n`);
      assert.equal(await mine(), first);
      assert.equal(await program.clean(), 0);

      await run("destroy", "--yes", "--skip-preview");
      assert.equal(await onWeb("getent passwd office || find / -xdev -path '*office*'"), "");
      assert.equal(await mine(), first);
      assert.equal(await program.clean(), 0);
      const { pull: target } = readJobFile(home().jobFile("files"));
      assert.ok((await probe({ target, instance: "borgpull" })).ok);
    } finally {
      await fs.promises.rm(folder, { recursive: true, force: true });
      await fs.promises.rm(second.configFile, { force: true });
    }
  });
});

describe("a job removed while its neighbour stays", { timeout: 600_000 }, () => {
  it("goes alone: its line, its files and nothing else; its repository and records remain, and it can come back", async () => {
    const before = counts();
    const run = lastRun("mail")?.run;
    assert.ok(run);
    await configure({ files });
    const preview = await program.preview(never);
    const names = ["audit", "conf", "identity", "job", "key", "patterns", "pull", "repository"];
    assert.deepEqual(
      planned(preview.out)
        .filter((line) => line.endsWith(")"))
        .toSorted(),
      ["mail", ...names.map((name) => `mail-${name}`)].map((name) => `- ${name} (delete)`),
    );
    const up = await program.up(never);
    assert.equal(up.code, 0, up.out);
    const { passphrase, jobFile } = home();
    const repository = path.join(program.stack.repositories, "mail");
    assert.match(
      up.out,
      new RegExp(`repository of mail stays at ${repository}, its passphrase in ${passphrase("mail")}`),
    );
    assert.equal(await onWeb(`ls ${paths.jobs}`), "files.conf\nfiles.patterns\n");
    assert.match(
      await onWeb(`cat ${paths.authorizedKeys}`),
      /^\S+ .*borgctl files" ssh-ed25519 \S+ files: .*\n$/,
    );
    assert.equal(fs.existsSync(jobFile("mail")), false);
    assert.deepEqual(counts(), before);
    assert.equal(lastRun("mail")?.run, run);
    assert.equal(await program.clean(), 0);
    assert.equal((await program.up({ env: { BORGPULL_PULL: "files" } })).code, 0);
    assert.deepEqual(counts(), { ...before, files: before.files + 1 });

    await configure({ files, mail });
    const back = await program.up();
    assert.equal(back.code, 0, back.out);
    assert.deepEqual(counts(), { ...before, files: before.files + 1 }, "its last backup still counts");
    assert.equal((await program.up({ env: { BORGPULL_PULL: "mail" } })).code, 0);
    assert.equal(counts().mail, before.mail + 1);
  });
});
