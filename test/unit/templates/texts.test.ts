import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, suite, test } from "node:test";
import fc from "fast-check";
import { sshdSettings } from "../../../config/sshd.ts";
import type { JobFile } from "../../../schema/job-file.ts";
import { ownerMark, ownerOf } from "../../../schema/names.ts";
import { vpsPaths } from "../../../schema/paths.ts";
import { version } from "../../../schema/version.ts";
import * as templates from "../../../templates/index.ts";
import { jobData } from "../../job-file.ts";

const mark = ownerMark("borgpull/test");
const paths = vpsPaths("office");
const program = { mark, instance: "office", paths, privilege: "read-all", version } as const;
const conf = {
  mark,
  job: "web1",
  compression: "zstd",
  oneFileSystem: true,
  lockWaitSeconds: 600,
  unencrypted: true,
};
const service = {
  mark,
  description: "pull the backup of web1",
  command: ["/bin/sh", "/a folder/main.ts", "run", "web1"],
  environment: { BORGPULL_CONFIG: "/a 50% folder/$x" },
  timeoutSeconds: 100,
  system: true,
  confined: true,
  writable: ["/var/lib/borgpull", "/srv/a 50% folder/$x"],
  repository: "/srv/a 50% folder/$x",
};
const job = jobData({
  owner: "borgpull/test",
  instance: "office",
  repository: "/srv/backup/web1",
  passphraseFile: "/etc/borgpull/passphrases/web1",
});

/** One of each text that borgpull puts on a machine. */
const texts: Readonly<Record<string, string>> = {
  borgctl: templates.borgctl(program),
  helper: templates.helper(program),
  relay: templates.relay(program),
  create: templates.create(program),
  commands: templates.commands(program),
  hash: templates.hash(program),
  tmpfiles: templates.tmpfiles(program),
  sudoers: templates.sudoers(program),
  "sshd drop-in": templates.sshdDropIn({ mark, user: "office", settings: sshdSettings("office") }),
  patterns: templates.jobPatterns({ mark, job: "web1", paths: ["/etc"], exclude: [] }),
  conf: templates.jobConf(conf),
  service: templates.service(service),
  timer: templates.timer({
    mark,
    description: "pull the backup of web1",
    schedule: "daily",
    delaySeconds: 300,
  }),
  "job file": templates.jobFile(job),
};

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "templates-"));
after(() => fs.rmSync(folder, { recursive: true }));
const write = (name: string, text: string): string => {
  fs.writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};

suite("every text", () => {
  for (const [name, text] of Object.entries(texts)) {
    test(`${name} names its owner`, () => assert.equal(ownerOf(text), "borgpull/test"));
    test(`${name} ends in one newline and has nothing left to fill in`, () => {
      assert.match(text, /[^\n]\n$/);
      assert.doesNotMatch(text, /\{\{|undefined|\[object/);
    });
  }
  for (const privilege of ["read-all", "user", "root"] as const)
    test(`borgctl, helper and create with privilege ${privilege} are shell scripts`, () => {
      for (const render of [templates.borgctl, templates.helper, templates.create])
        execFileSync("/bin/sh", ["-n", write("script", render({ ...program, privilege }))]);
    });
});

suite("the settings of a job", () => {
  test("are read by /bin/sh as they were, its dumps as JSON", () => {
    const text = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
      .map((value) => value.replaceAll("\0", "").toWellFormed());
    fc.assert(
      fc.property(text, text, fc.boolean(), (run, user, oneFileSystem) => {
        const data = {
          ...conf,
          oneFileSystem,
          before: { user, run, timeoutSeconds: 60 },
          dumps: { "a.sql": { user: "app", run }, "b.sql": { user: "app", run: "b" } },
        };
        const file = write("conf", templates.jobConf(data));
        const names = [
          "compression",
          "one_file_system",
          "lock_wait",
          "before_user",
          "before_run",
          "before_seconds",
        ];
        const more = ["after_user", "after_run", "on_error_seconds", "dump_users", "dumps"];
        const values = [...names, ...more].map((name) => `"$${name}"`).join(" ");
        const script = `. ${file}; printf '%s\\0' ${values}`;
        const read = execFileSync("/bin/sh", ["-euc", script], { encoding: "utf8" }).split("\0");
        assert.deepEqual(read.slice(0, -2), [
          ...["zstd", oneFileSystem ? "yes" : "", "600", user, run, "60"],
          ...["", "", "3600", "app"],
        ]);
        assert.deepEqual(JSON.parse(read.at(-2) ?? ""), [
          { name: "a.sql", user: "app", run },
          { name: "b.sql", user: "app", run: "b" },
        ]);
      }),
      { numRuns: 60 },
    );
  });
});

suite("the scripts in Python", () => {
  for (const name of ["relay", "commands", "hash"] as const)
    test(`${name} can be compiled`, () => {
      const file = write(`${name}.py`, texts[name] ?? "");
      execFileSync("python3", ["-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", file]);
    });
});

suite("the patterns of a job", () => {
  /** Archives with a real borg; the paths in the archive. */
  function archived(
    make: readonly string[],
    from: readonly string[],
    exclude: readonly string[],
  ): readonly string[] {
    const data = fs.mkdtempSync(path.join(folder, "data-"));
    for (const file of make) {
      fs.mkdirSync(path.dirname(path.join(data, file)), { recursive: true });
      fs.writeFileSync(path.join(data, file), "x");
    }
    const inData = (text: string) => text.replace(/^(\w\w:)?\//, `$1${data}/`);
    const patterns = templates.jobPatterns({
      mark,
      job: "web1",
      paths: from.map(inData),
      exclude: exclude.map(inData),
    });
    const env = {
      PATH: process.env.PATH,
      BORG_BASE_DIR: `${data}.borg`,
      BORG_REPO: `${data}.repository`,
      LANG: "C.UTF-8",
    };
    const borg = (...args: readonly string[]) =>
      execFileSync("borg", args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    borg("init", "-e", "none");
    borg("create", "--patterns-from", write("patterns", patterns), "::a");
    return borg("list", "--format", "{type} {path}{NL}", "::a")
      .split("\n")
      .filter((line) => line.startsWith("- "))
      .map((line) => line.slice(2 + data.length))
      .toSorted();
  }

  test("take the paths, blanks and all, and nothing else", () => {
    assert.deepEqual(archived(["a/1", "b c/2", "d/3", "#e/4"], ["/a", "/b c", "/#e"], []), [
      "#e/4",
      "a/1",
      "b c/2",
    ]);
  });
  test("exclude as borg create --exclude does: fm: across folders, a folder with all in it", () => {
    const files = ["a/x.cache", "a/deep/y.cache", "a/tmp/1", "a/tmp/deep/2", "a/kept", "a/tmpfile"];
    assert.deepEqual(archived(files, ["/a"], ["*.cache", "/a/tmp"]), ["a/kept", "a/tmpfile"]);
  });
  test("keep a style that a pattern says", () => {
    assert.deepEqual(archived(["a/b/1", "a/b/c/1", "a/d"], ["/a"], ["sh:/a/*/1", "re:d$"]), ["a/b/c/1"]);
  });
});

suite("the units of a job", () => {
  test("are what systemd accepts", (t) => {
    if (!fs.existsSync("/usr/bin/systemd-analyze")) return t.skip("systemd-analyze is not installed");
    write("borgpull-web1.service", texts.service ?? "");
    write("borgpull-web1.timer", texts.timer ?? "");
    for (const unit of ["service", "timer"]) {
      const said = execFileSync(
        "sh",
        ["-c", `systemd-analyze verify --man=no "$1" 2>&1 || true`, "sh", `${folder}/borgpull-web1.${unit}`],
        { encoding: "utf8" },
      );
      assert.doesNotMatch(said, /borgpull-web1/, said);
    }
  });
});

suite("the job file", () => {
  test("has its keys in the order of the schema, however they came", () => {
    const turned = Object.fromEntries(Object.entries(job).reverse()) as JobFile;
    assert.equal(templates.jobFile(turned), templates.jobFile(job));
    assert.deepEqual(Object.keys(JSON.parse(templates.jobFile(turned))).slice(0, 4), [
      "version",
      "managedBy",
      "owner",
      "job",
    ]);
  });
  test("is refused when it is none", () => {
    assert.throws(() => templates.jobFile({ ...job, repository: "relative" }));
  });
});
