import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import { hostSettings, resolveHost } from "../../../config/host.ts";
import { jobSettings } from "../../../config/job.ts";
import { readStackConfig } from "../../../config/stack.ts";
import { type Config, parseConfig } from "../../../config.ts";
import { UserError } from "../../../schema/errors.ts";
import { readYaml, stackConfigOf } from "../../yaml.ts";

/** Has a known_hosts file; no agent. */
const HOME = path.join(import.meta.dirname, "home");

interface Sample {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly errors: readonly string[];
  readonly expect: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** HOME in a sample stands for the folder above. */
function samples(kind: "valid" | "invalid"): readonly Sample[] {
  const folder = path.join(import.meta.dirname, kind);
  return fs.readdirSync(folder).map((file) => {
    const read = JSON.stringify(readYaml(path.join(folder, file))).replaceAll("HOME/", `${HOME}/`);
    return { ...JSON.parse(read), name: path.basename(file, ".yaml") };
  });
}

const parse = (config: Readonly<Record<string, unknown>>, env: Record<string, string> = {}): Config =>
  parseConfig(readStackConfig(stackConfigOf(config)), { HOME, ...env });

/** Job -> all that is known of it, host included. */
const settingsOf = (config: Config) =>
  Object.fromEntries(
    config.hosts.flatMap((host) =>
      host.jobs.map(({ name, options }) => [
        name,
        {
          host: host.name,
          target: resolveHost(host.name, host.options, { HOME: "/nowhere" }),
          ...hostSettings(host.options),
          ...jobSettings(options),
          repository: options.repository,
        },
      ]),
    ),
  );

suite("a valid config", () => {
  for (const { name, config, expect } of samples("valid"))
    test(name, () => {
      const { hosts, warnings } = parse(config);
      const found = settingsOf({ hosts, warnings });
      assert.deepEqual(Object.keys(found).toSorted(), Object.keys(expect).toSorted());
      assert.partialDeepStrictEqual(found, expect);
    });

  test("the example of the project", () => {
    const { config } = readYaml(path.join(import.meta.dirname, "../../../Pulumi.example.yaml")) as Sample;
    assert.deepEqual(Object.keys(settingsOf(parse(config))), ["web1", "db1-files", "db1-postgres", "inner1"]);
  });

  test("names every job's repository apart", () => {
    for (const { config } of samples("valid")) {
      const folders = parse(config).hosts.flatMap((host) => host.jobs.map((job) => job.options.repository));
      assert.equal(new Set(folders).size, folders.length);
    }
  });

  test("uses the agent when there is one", () => {
    const [sample] = samples("valid");
    const [host] = parse(sample?.config ?? {}, { SSH_AUTH_SOCK: "/run/agent" }).hosts;
    assert.equal(host?.options.identity, "agent");
  });

  test("parsed again from its own result is the same", () => {
    for (const { config } of samples("valid")) {
      const once = parse(config);
      const again = parseConfig(
        {
          hosts: Object.fromEntries(
            once.hosts.map(({ name, options, jobs }) => [
              name,
              { ...options, jobs: Object.fromEntries(jobs.map((job) => [job.name, job.options])) },
            ]),
          ),
        },
        { HOME: "/nowhere" },
      );
      assert.deepEqual(settingsOf(again), settingsOf(once));
    }
  });
});

suite("an invalid config", () => {
  for (const { name, config, errors } of samples("invalid"))
    test(name, () => {
      assert.throws(
        () => parse(config),
        (error: unknown) => {
          assert.ok(error instanceof UserError, String(error));
          const lines = error.message.split("\n").filter((line) => line.startsWith("  "));
          const found = lines.length > 0 ? lines.map((line) => line.trim()) : [error.message];
          assert.deepEqual(found, errors);
          return true;
        },
      );
    });

  test("a group that is not one", () => {
    assert.throws(
      () => readStackConfig({ "borgpull:hosts": "web1" }),
      /borgpull:hosts is not a group of options/,
    );
  });
});
