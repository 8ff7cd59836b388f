import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { PullJob, type PullJobArgs, Vps, type VpsArgs } from "../../components/index.ts";
import { version } from "../../components/vps.ts";
import {
  auditInputs,
  authorizedKeyInputs,
  hostFileInputs,
  pullInputs,
  repositoryInputs,
  sshIdentityInputs,
  systemdUnitInputs,
} from "../../schema/inputs.ts";
import { jobFile } from "../../schema/job-file.ts";
import { ownerOf } from "../../schema/names.ts";
import { homePaths } from "../../schema/paths.ts";
import { before, type Declared, declare, one } from "./program.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF9KQee5MS4Qo/4O8Iyc5n/qTDEk+7+SMeJBmFjAU5GJ";
const host = { address: "web1.example.com", hostKey, identity: "/root/key" } satisfies VpsArgs;
const admin = { host: "web1.example.com", port: 22, user: "root", hostKeys: [hostKey], auth: "/root/key" };
const what = { paths: ["/etc", "/home"], repository: "/srv/backup/web1" };
const job = async (
  more: Partial<PullJobArgs> = {},
  of: Partial<VpsArgs> = {},
  preview = false,
): Promise<readonly Declared[]> =>
  (
    await declare(() => new PullJob("web1", { vps: new Vps("host", { ...host, ...of }), ...what, ...more }), {
      preview,
    })
  ).declared;

suite("a PullJob", () => {
  test("declares everything of the job, as its children", async () => {
    const declared = await job({ schedule: "daily" });
    const names = declared.filter((each) => each.parent === "web1").map((each) => each.name);
    assert.deepEqual(names.toSorted(), [
      "web1-audit",
      "web1-conf",
      "web1-identity",
      "web1-job",
      "web1-key",
      "web1-patterns",
      "web1-pull",
      "web1-repository",
      "web1-service",
      "web1-timer",
    ]);
  });

  test("gives each the inputs that the provider takes", async () => {
    const schemas = {
      HostFile: hostFileInputs,
      SshIdentity: sshIdentityInputs,
      AuthorizedKey: authorizedKeyInputs,
      Repository: repositoryInputs,
      Audit: auditInputs,
      Pull: pullInputs,
      SystemdUnit: systemdUnitInputs,
    };
    const ours = (await job({ schedule: "daily", import: true })).filter(({ parent }) => parent === "web1");
    for (const { type, name, inputs } of ours) {
      const checked = schemas[type as keyof typeof schemas].safeParse(inputs);
      assert.ok(checked.success, `${name}: ${checked.error}`);
      assert.equal(inputs.owner, "borgpull/test");
      // on the VPS or at home, never both
      assert.equal((inputs.connection === undefined) !== (inputs.home === undefined), true, name);
      if (inputs.content) assert.equal(ownerOf(inputs.content), "borgpull/test", name);
    }
  });

  test("follows the order of the design, and goes in its reverse", async () => {
    const declared = await job({ schedule: "daily" });
    const order = [
      "host-sshd",
      "web1-conf",
      "web1-key",
      "web1-job",
      "web1-audit",
      "web1-pull",
      "web1-service",
      "web1-timer",
    ];
    for (const [index, name] of order.entries())
      for (const earlier of order.slice(0, index))
        assert.ok(before(declared, name).has(earlier), `${name} after ${earlier}`);
    assert.ok(before(declared, "web1-key").has("web1-identity"));
    assert.ok(before(declared, "web1-job").has("web1-repository"));
    assert.ok(before(declared, "web1-timer").has("host-account"));
  });

  test("lets its key in for this job alone, proved with it", async () => {
    const { inputs } = one(
      await job({ from: ["192.0.2.7", "198.51.100.0/24"], expiry: "2035-12-31" }),
      "web1-key",
    );
    assert.deepEqual(inputs.options, {
      restrict: "",
      "port-forwarding": "",
      permitlisten: "localhost:1",
      permitopen: "localhost:1",
      from: "192.0.2.7,198.51.100.0/24",
      "expiry-time": "20351231",
    });
    assert.equal(inputs.command, "exec /usr/local/lib/borgpull/borgctl web1");
    assert.equal(inputs.publicKey, "ssh-ed25519 AAAAKEYx");
    assert.equal(ownerOf(inputs.comment), "borgpull/test");
    assert.deepEqual(inputs.proof, {
      home: "machine/0",
      account: "borgpull",
      instance: "borgpull",
      identityFile: homePaths().pullKey("web1"),
    });
  });

  test("puts its settings on the VPS as root's files", async () => {
    const hooks = { before: { user: "postgres", run: "pg_dumpall -f '/var/backups/pg.sql'" } };
    const declared = await job({
      exclude: ["*.cache", "sh:/home/*/tmp"],
      hooks,
      limits: { lockWait: "1m" },
      compression: "lz4",
    });
    const patterns = one(declared, "web1-patterns").inputs;
    const conf = one(declared, "web1-conf").inputs;
    assert.equal(patterns.path, "/etc/borgpull/jobs/web1.patterns");
    assert.match(patterns.content, /^R \/etc\nR \/home\n! fm:\*\.cache\n! sh:\/home\/\*\/tmp\n$/m);
    assert.equal(conf.path, "/etc/borgpull/jobs/web1.conf");
    assert.match(
      conf.content,
      /^compression='lz4'\none_file_system='yes'\nlock_wait='60'\nunencrypted=''\nbefore_user='postgres'\n/m,
    );
    for (const { mode, user, group, lock, within } of [patterns, conf])
      assert.deepEqual(
        { mode, user, group, lock, within },
        {
          mode: "0640",
          user: "root",
          group: "borgpull",
          lock: "/etc/borgpull/jobs/web1.conf",
          within: "/etc/borgpull",
        },
      );
  });

  test("writes a job file that the pull can read", async () => {
    const jump = { address: "jump.example.com", hostKey, identity: "/root/jump" };
    const declared = await job(
      {
        keep: { daily: 7 },
        staleAfter: "2d",
        schedule: "daily",
        care: { checkData: "12w", proof: "never" },
        notify: { phone: { kind: "ntfy", url: "https://ntfy.sh/mine" } },
        hooks: { atHome: { before: { run: "mount /srv/backup", timeout: "2m" } } },
      },
      { user: "admin", instance: "cellar", jump },
    );
    const { path, mode, content } = one(declared, "web1-job").inputs;
    assert.equal(path, homePaths().jobFile("web1"));
    assert.equal(mode, "0600");
    const through = {
      jump: { host: "jump.example.com", port: 22, user: "root", hostKeys: [hostKey], auth: "/root/jump" },
    };
    assert.deepEqual(jobFile.parse(JSON.parse(content)), {
      version: 1,
      managedBy: "borgpull",
      program: version,
      owner: "borgpull/test",
      job: "web1",
      instance: "cellar",
      pull: { ...admin, user: "cellar", auth: homePaths().pullKey("web1"), ...through },
      admin: { ...admin, user: "admin", ...through },
      repository: "/srv/backup/web1",
      passphraseFile: homePaths().passphrase("web1"),
      keep: { daily: 7 },
      care: {
        prune: 604_800,
        compact: 604_800,
        checkRepository: 2_419_200,
        checkArchives: 2_419_200,
        checkData: 7_257_600,
      },
      schedule: "daily",
      notify: { phone: { kind: "ntfy", url: "https://ntfy.sh/mine" } },
      hooksAtHome: { before: { run: "mount /srv/backup", timeoutSeconds: 120 } },
      maxParallel: 4,
      staleAfterSeconds: 172_800,
      limits: {
        totalSeconds: 86_400,
        stallSeconds: 900,
        lockWaitSeconds: 60,
        freeBytes: 1_000_000_000,
        retries: 2,
        retryWaitSeconds: 60,
      },
    });
    assert.deepEqual(one(declared, "web1-pull").inputs, {
      home: "machine/0",
      owner: "borgpull/test",
      job: "web1",
      jobFile: path,
      pull: "stale",
      staleAfterSeconds: 172_800,
    });
  });

  test("has its key audited, again whenever something changes that decides what the key can do", async () => {
    const of = async (more: Partial<PullJobArgs> = {}, vps: Partial<VpsArgs> = {}): Promise<string> =>
      one(await job(more, vps), "web1-audit").inputs.of;
    const { jobFile, of: now } = one(await job(), "web1-audit").inputs;
    assert.equal(jobFile, homePaths().jobFile("web1"));
    assert.match(now, /^[0-9a-f]{16}$/);
    assert.equal(
      await of({ paths: ["/srv"], keep: { daily: 1 } }, { address: "192.0.2.1", port: 2222 }),
      now,
    );
    const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ4dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q";
    const changed = [
      await of({ from: "192.0.2.7" }),
      await of({}, { sshd: { extra: { RekeyLimit: "1G" } } }),
      await of({}, { privilege: "user" }),
      await of({}, { hostKey: other }),
    ];
    assert.equal(new Set([now, ...changed]).size, 5);
  });

  test("is not audited when that is not wanted", async () => {
    const declared = await job({ audit: false, schedule: "daily" });
    assert.equal(
      declared.some(({ name }) => name === "web1-audit"),
      false,
    );
    assert.ok(before(declared, "web1-pull").has("web1-job"));
  });

  test("has a timer only on a schedule", async () => {
    assert.deepEqual(
      (await job()).filter(({ type }) => type === "SystemdUnit"),
      [],
    );
    const declared = await job({ schedule: "*-*-* 03:00:00" });
    const timer = one(declared, "web1-timer").inputs;
    const service = one(declared, "web1-service").inputs;
    assert.equal(timer.name, "borgpull-web1.timer");
    assert.match(timer.content, /^OnCalendar=\*-\*-\* 03:00:00$/m);
    assert.deepEqual(
      [timer.enabled, timer.active, service.enabled, service.active],
      [true, true, false, false],
    );
    // the installed program, and home's folders wherever this runs
    assert.match(
      service.content,
      /^ExecStart="\/var\/lib\/borgpull\/versions\/current-borgpull\+test\/cli\/borgpull" "run" "web1"$/m,
    );
    assert.match(service.content, /^Environment="BORGPULL_CONFIG=\/etc\/borgpull"$/m);
  });

  test("works while nothing of home is known yet", async () => {
    const declared = await job({ schedule: "daily" }, {}, true);
    const { publicKey, proof, command } = one(declared, "web1-key").inputs;
    assert.equal(publicKey, pulumi.runtime.unknownValue);
    assert.equal(proof.home, pulumi.runtime.unknownValue);
    assert.equal(command, "exec /usr/local/lib/borgpull/borgctl web1");
    assert.ok(one(declared, "web1-timer"));
  });

  test("takes its repository from the stack's folder", async () => {
    const program = () => new PullJob("web1", { vps: new Vps("host", host), paths: ["/etc"] });
    const { result, declared } = await declare(program, { config: { "borgpull:repositories": "/mnt/all" } });
    assert.equal(result.repository, "/mnt/all/web1");
    assert.equal(one(declared, "web1-repository").inputs.path, "/mnt/all/web1");
    await assert.rejects(
      declare(program),
      /web1\.repository: missing, and borgpull:repositories is no absolute path/,
    );
  });

  test("names a person's mistake by its path", async () => {
    const rejects = (more: object, message: RegExp) =>
      assert.rejects(
        job(more),
        (error: Error) => pulumi.RunError.isInstance(error) && message.test(error.message),
      );
    await rejects({ paths: ["etc"] }, /^web1\.paths\[0\]: "etc" is not allowed/);
    await rejects({ schedule: "noonish" }, /^web1\.schedule: systemd refuses "noonish"/);
    await rejects({ staleafter: "3h" }, /^web1\.staleafter: unknown option\. Did you mean staleAfter\?/);
    await assert.rejects(
      declare(() => new PullJob("a/b", { vps: new Vps("host", host), ...what })),
      /^Error: a\/b: "a\/b" is not allowed\. Write 1 to 40 of a-z/,
    );
  });
});

suite("two jobs of one VPS", () => {
  const two = async (names: readonly string[]): Promise<readonly Declared[]> => {
    const program = () => {
      const vps = new Vps("host", host);
      return names.map(
        (name) => new PullJob(name, { vps, ...what, repository: `/srv/${name}`, schedule: "daily" }),
      );
    };
    return (await declare(program)).declared;
  };

  test("share the VPS and nothing else", async () => {
    const declared = await two(["files", "mail"]);
    for (const resource of declared.filter(({ parent }) => parent === "mail")) {
      const waited = before(declared, resource.name);
      assert.deepEqual(
        [...waited].filter((name) => name.startsWith("files")),
        [],
        resource.name,
      );
    }
    const paths = declared.filter(({ type }) => type === "HostFile").map(({ inputs }) => inputs.path);
    assert.equal(new Set(paths).size, paths.length);
  });

  test("are each what they are without the other, so that one can go", async () => {
    const both = await two(["files", "mail"]);
    const alone = await two(["mail"]);
    assert.deepEqual(
      both.filter(({ name, parent }) => !name.startsWith("files") && parent !== "files"),
      alone,
    );
  });
});
