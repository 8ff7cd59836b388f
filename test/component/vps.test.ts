import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { Vps, type VpsArgs } from "../../components/index.ts";
import {
  authorizedKeyInputs,
  hostFileInputs,
  hostUserInputs,
  preflightInputs,
  sshdDropInInputs,
} from "../../schema/inputs.ts";
import { ownerOf } from "../../schema/names.ts";
import { before, declare, one } from "./program.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF9KQee5MS4Qo/4O8Iyc5n/qTDEk+7+SMeJBmFjAU5GJ";
const args = { address: "web1.example.com", hostKey, identity: "/root/key" } satisfies VpsArgs;
const target = { host: "web1.example.com", port: 22, user: "root", hostKeys: [hostKey], auth: "/root/key" };

const vps = async (more: Partial<VpsArgs> = {}, preview = false) =>
  (await declare(() => new Vps("web1", { ...args, ...more }), { preview })).declared;

const programs = ["borgctl", "commands", "create", "hash", "helper", "relay"].map((name) => `web1-${name}`);

suite("a Vps", () => {
  test("declares everything on the VPS, as its children", async () => {
    const declared = await vps();
    const names = declared.filter((each) => each.parent === "web1").map((each) => each.name);
    assert.deepEqual(names.toSorted(), [
      "web1-account",
      "web1-borgctl",
      "web1-commands",
      "web1-create",
      "web1-hash",
      "web1-helper",
      "web1-home",
      "web1-preflight",
      "web1-relay",
      "web1-sshd",
      "web1-sudoers",
      "web1-tmpfiles",
    ]);
  });

  test("gives each the inputs that the provider takes", async () => {
    const declared = await vps({ adopt: true });
    const schemas = {
      Preflight: preflightInputs,
      HostUser: hostUserInputs,
      HostFile: hostFileInputs,
      SshdDropIn: sshdDropInInputs,
      AuthorizedKey: authorizedKeyInputs,
    };
    for (const { type, name, inputs } of declared) {
      const schema = schemas[type as keyof typeof schemas];
      if (schema === undefined) continue;
      assert.ok(schema.safeParse(inputs).success, `${name}: ${schema.safeParse(inputs).error}`);
      assert.deepEqual(inputs.connection, target);
      assert.equal(inputs.owner, "borgpull/test");
      if (inputs.content) assert.equal(ownerOf(inputs.content), "borgpull/test");
    }
  });

  test("writes nothing before the preflight, and reloads sshd last", async () => {
    const declared = await vps();
    assert.deepEqual(one(declared, "web1-preflight").after, []);
    assert.deepEqual(one(declared, "web1-account").after, ["web1-preflight"]);
    assert.deepEqual(one(declared, "web1-tmpfiles").after, ["web1-account"]);
    for (const program of programs) assert.deepEqual(one(declared, program).after, ["web1-tmpfiles"]);
    assert.deepEqual(one(declared, "web1-sudoers").after, programs);
    assert.deepEqual(one(declared, "web1-sshd").after, ["web1-sudoers"]);
  });

  test("lets the preflight try the very drop-in that is written", async () => {
    const declared = await vps({ sshd: { extra: { RekeyLimit: "1G 1h", Compression: false } } });
    const { path, content, user, settings } = one(declared, "web1-sshd").inputs;
    assert.deepEqual(one(declared, "web1-preflight").inputs.dropIn, { path, content, user, settings });
    assert.equal(settings.RekeyLimit, "1G 1h");
    assert.equal(settings.Compression, "no");
    for (const [keyword, value] of Object.entries(settings))
      assert.match(content, new RegExp(`^ {4}${keyword} ${value}$`, "m"));
  });

  test("checks sudoers with visudo, and has none without privilege", async () => {
    const { inputs } = one(await vps(), "web1-sudoers");
    assert.deepEqual(inputs.validate, ["visudo", "-cqf", "%s"]);
    assert.equal(inputs.mode, "0440");
    const unprivileged = await vps({ privilege: "user" });
    assert.equal(unprivileged.filter(({ name }) => name === "web1-sudoers").length, 0);
    assert.deepEqual(one(unprivileged, "web1-sshd").after, programs);
    assert.equal(one(await vps({ privilege: "root" }), "web1-sudoers").inputs.mode, "0440");
  });

  test("under another instance shares no path and no account with the first", async () => {
    const pathsOf = async (instance: string) =>
      (await vps({ instance })).flatMap(({ inputs }) =>
        [inputs.path, inputs.name, inputs.folder?.path, inputs.lock].filter(Boolean),
      );
    const [first, second] = [new Set(await pathsOf("borgpull")), await pathsOf("cellar")];
    assert.ok(second.length > 5);
    assert.deepEqual(
      second.filter((path) => first.has(path)),
      [],
    );
  });

  test("logs in as an admin with sudo, through a jump host", async () => {
    const jump = { address: "jump.example.com", hostKey, user: "hop", identity: "/root/jump" };
    const { inputs } = one(await vps({ user: "admin", port: 2222, jump }), "web1-account");
    const through = {
      host: "jump.example.com",
      port: 22,
      user: "hop",
      hostKeys: [hostKey],
      auth: "/root/jump",
    };
    assert.deepEqual(inputs.connection, { ...target, user: "admin", port: 2222, jump: through });
  });

  test("tells the preflight alone which identities the config names, as it names them", async () => {
    const jump = { address: "jump.example.com", hostKey };
    const identities = async (more: Partial<VpsArgs>) =>
      (await vps(more)).flatMap(({ name, inputs }) =>
        inputs.identities === undefined ? [] : [[name, inputs.identities]],
      );
    assert.deepEqual(await identities({ identity: "~/key", jump }), [["web1-preflight", { host: "~/key" }]]);
    const both = { host: "/root/key", jump: "agent" };
    assert.deepEqual(await identities({ jump: { ...jump, identity: "agent" } }), [["web1-preflight", both]]);
  });

  test("adopts only when told to", async () => {
    const adopting = (declared: Awaited<ReturnType<typeof vps>>) =>
      declared.filter(({ inputs }) => inputs.adopt !== undefined).map(({ name }) => name);
    assert.deepEqual(adopting(await vps()), []);
    assert.equal(adopting(await vps({ adopt: true })).length, 10);
  });

  test("takes an address and a host key that are known only later", async () => {
    const later = await vps({ address: pulumi.output("web1.example.com"), hostKey: pulumi.output(hostKey) });
    assert.deepEqual(one(later, "web1-account").inputs.connection, target);
    const unknown = await vps({ address: pulumi.output(pulumi.unknown) as pulumi.Output<string> }, true);
    assert.ok(one(unknown, "web1-sshd"));
  });

  test("shares the home that it is given", async () => {
    const { declared } = await declare(() => {
      const first = new Vps("web1", args);
      return new Vps("db1", { ...args, address: "db1.example.com", home: first.home });
    });
    assert.deepEqual(
      declared.filter(({ type }) => type === "Home").map(({ name }) => name),
      ["web1-home"],
    );
  });
});

suite("packages: install", () => {
  test("come before everything else, by the agent and with the host's key", async () => {
    const declared = await vps({ packages: "install", identity: "agent", user: "admin" });
    const { type, inputs } = one(declared, "web1-packages");
    assert.equal(type, "command:remote:Command");
    assert.match(
      inputs.create,
      /^sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install .*borgbackup.* sudo$/,
    );
    const { connection } = inputs;
    assert.equal((connection.value ?? connection).hostKey, hostKey);
    assert.doesNotMatch(JSON.stringify(inputs), /privateKey|password/i);
    assert.deepEqual(one(declared, "web1-preflight").after, ["web1-packages"]);
    assert.ok(before(declared, "web1-sshd").has("web1-packages"));
  });
  test("are refused without an agent, with the command", async () => {
    await assert.rejects(
      vps({ packages: "install" }),
      /^Error: web1\.packages: install needs an ssh agent.*apt-get install borgbackup/,
    );
  });
});

suite("a person's mistake", () => {
  const message = async (more: object): Promise<string> => {
    try {
      await vps(more);
    } catch (error) {
      assert.ok(pulumi.RunError.isInstance(error), "a RunError, which the SDK prints without its stack");
      return error.message;
    }
    throw new Error("nothing was thrown");
  };
  test("is named by its path", async () => {
    assert.match(await message({ hostKey: "x" }), /^web1\.hostKey: "x" is not allowed/);
    assert.match(
      await message({ privilage: "user" }),
      /^web1\.privilage: unknown option\. Did you mean privilege\?/,
    );
    assert.match(
      await message({ sshd: { extra: { ForceCommand: "x" } } }),
      /^web1\.sshd\.extra\.ForceCommand/,
    );
    assert.match(await message({ instance: "root" }), /^web1\.instance/);
  });
});
