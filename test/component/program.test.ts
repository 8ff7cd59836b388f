import assert from "node:assert/strict";
import * as path from "node:path";
import { suite, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { readYaml, stackConfigOf } from "../yaml.ts";
import { type Declared, declare } from "./program.ts";

type Program = typeof import("../../index.ts");

/** The project's own program; each case gets a module of its own. */
const run = async (name: string, config: Readonly<Record<string, unknown>>) =>
  declare(async () => (await import(`../../index.ts?${name}`)) as Program, { config: stackConfigOf(config) });

const root = path.join(import.meta.dirname, "../..");
const { config } = readYaml(path.join(root, "Pulumi.example.yaml")) as { config: Record<string, unknown> };
const names = (declared: readonly Declared[], type: string) =>
  declared.filter((each) => each.type === type).map(({ name }) => name);

suite("the program", () => {
  test("declares one home, a Vps a host and its jobs", async () => {
    const { declared, result } = await run("example", config);
    assert.deepEqual(names(declared, "Home"), ["home"]);
    assert.deepEqual(names(declared, "Vps"), ["web1", "db1", "inner1"]);
    assert.deepEqual(names(declared, "PullJob"), ["web1", "db1-files", "db1-postgres", "inner1"]);
    assert.deepEqual(
      Object.entries(result.jobs).map(([name, { host, repository }]) => [name, host, repository]),
      [
        ["web1", "web1.example.com", "/srv/backup/web1"],
        ["db1-files", "db1.example.com", "/srv/backup/db1-files"],
        ["db1-postgres", "db1.example.com", "/srv/backup/db1-postgres"],
        ["inner1", "10.0.0.5", "/srv/other-disk/inner1"],
      ],
    );
  });

  test("declares nothing of a config with a mistake in it, and says what to do", async () => {
    const { hosts, ...rest } = config;
    void hosts;
    const before: Declared[] = [];
    await assert.rejects(
      run("mistake", { ...rest, "borgpull:hosts": { web1: { address: "web1", paths: ["etc"] } } }).then(
        ({ declared }) => before.push(...declared),
      ),
      (error: Error) => {
        assert.ok(pulumi.RunError.isInstance(error));
        assert.match(
          error.message,
          /^hosts\.web1\.paths\[0\]: "etc" is not allowed\. Write an absolute path/,
        );
        return true;
      },
    );
    assert.deepEqual(before, []);
  });

  test("is the one that Pulumi.yaml names", () => {
    const project = readYaml(path.join(root, "Pulumi.yaml"));
    assert.partialDeepStrictEqual(project, {
      name: "borgpull",
      main: "tools/program.mjs",
      runtime: { name: "nodejs", options: { typescript: false } },
      plugins: { providers: [{ name: "borgpull", path: "./provider" }] },
    });
  });
});
