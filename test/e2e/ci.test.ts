/** What docs/ci gives to a CI service, as far as it runs without one. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { attempt } from "../../sandbox/command.ts";
import { readYaml } from "../yaml.ts";
import { openProgram, type Program } from "./program.ts";

const folder = path.resolve(import.meta.dirname, "../../docs/ci");
let program: Program;

before(async () => {
  program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
  await program.configure({ web1: program.entry("web1") });
  const { code, out } = await program.up({ env: { BORGPULL_PULL: "never" } });
  assert.equal(code, 0, out);
});
after(() => program?.[Symbol.asyncDispose]());

const script = (name: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
  attempt([path.join(folder, name), ...args], {
    env: { ...program.stack.env, PULUMI_STACK: program.stack.name, ...env },
    timeoutSeconds: 300,
  });

describe("the scripts", { timeout: 600_000 }, () => {
  it("pull backs up the job that was named", async () => {
    const { code, stdout, stderr } = await script("pull.sh", ["web1"]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /web1/);
  });

  it("up pulls the job that was named", async () => {
    const { code, stdout, stderr } = await script("up.sh", ["web1"]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /~ +borgpull:index:Pull web1/);
  });

  for (const name of ["", "web1;id", "$(id)", "--help", "../web1", "web1 web2", "web1\nid"]) {
    it(`what is no job's name goes no further: ${JSON.stringify(name)}`, async () => {
      assert.equal((await script("pull.sh", [name])).code, 64);
      if (name) assert.equal((await script("up.sh", [name])).code, 64);
    });
  }

  it("drift says nothing about what is as declared", async () => {
    const { code, stdout } = await script("drift.sh", [], { GITHUB_ACTIONS: "true" });
    assert.equal(code, 0, stdout);
    assert.doesNotMatch(stdout, /::error/);
  });

  it("drift ends with 7 and an annotation, and the preview's comment shows the diff of sshd's settings", async () => {
    await program
      .host("web1")
      .run(
        "sed -i 's/PermitTTY no/PermitTTY yes # ```` ##[stop-commands]host/' /etc/ssh/sshd_config.d/60-borgpull.conf",
      );
    const drift = await script("drift.sh", [], { GITHUB_ACTIONS: "true" });
    assert.equal(drift.code, 7, drift.stdout);
    assert.match(drift.stdout, /^::error title=borgpull::Something is not as declared/m);

    const file = path.join(program.stack.folder, "comment.md");
    const preview = await script("preview.sh", [file]);
    assert.equal(preview.code, 0, preview.stdout);
    for (const { stdout } of [drift, preview]) {
      assert.match(stdout, /## \[stop-commands\]host/, "what a host wrote is no command to the runner");
      assert.doesNotMatch(stdout, /##\[/);
    }
    const comment = fs.readFileSync(file, "utf8");
    assert.match(comment, /^- .*PermitTTY yes/m);
    assert.match(comment, /^\+ .*PermitTTY no/m);
    assert.match(
      comment,
      /\n`{5}diff\n(.*\n)*`{5}\n$/,
      "a longer run of backticks than the host's ends the fence",
    );
  });

  it("a preview that fails says so in the comment, and in its exit code", async () => {
    const file = path.join(program.stack.folder, "failed.md");
    const { code } = await script("preview.sh", [file], { PULUMI_STACK: "no-such-stack" });
    assert.notEqual(code, 0);
    assert.match(fs.readFileSync(file, "utf8"), new RegExp(`The preview failed with exit code ${code}`));
  });
});

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: unknown;
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly if?: string;
        readonly "runs-on": string | readonly string[];
        readonly permissions: Readonly<Record<string, string>>;
        readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
      }
    >
  >;
}

describe("the workflows for GitHub", () => {
  for (const file of fs.readdirSync(path.join(folder, "github"))) {
    const workflow = readYaml(path.join(folder, "github", file)) as Workflow;
    const jobs = Object.values(workflow.jobs);
    const steps = jobs.flatMap((job) => job.steps);

    it(`${file} has no right that it does not name`, () => {
      assert.deepEqual(workflow.permissions, {});
      for (const job of jobs) assert.equal(job.permissions.contents, "read");
    });

    it(`${file} runs scripts that exist, and actions that are pinned to a commit`, () => {
      const scripts = steps.flatMap(({ run = "" }) => run.match(/docs\/ci\/\S+\.sh/g) ?? []);
      assert.ok(scripts.length > 0);
      for (const name of scripts) fs.accessSync(path.resolve(folder, "../..", name), fs.constants.X_OK);
      for (const { uses } of steps) if (uses) assert.match(uses, /@[0-9a-f]{40}$/);
    });

    it(`${file} puts nothing that somebody typed into a script's text`, () => {
      for (const { run = "" } of steps) assert.doesNotMatch(run, /\$\{\{/);
    });

    it(`${file} runs no pull request's code at home, and no fork's code at all`, () => {
      assert.equal("pull_request_target" in workflow.on, false);
      for (const job of jobs) {
        const home = job["runs-on"].includes("self-hosted");
        if ("pull_request" in workflow.on) {
          assert.equal(home, false);
          assert.match(job.if ?? "", /head\.repo\.full_name == github\.repository/);
        } else if (home) assert.match(job.if ?? "", /ref_name == github\.event\.repository\.default_branch/);
      }
    });
  }
});

it("the recipe for GitLab runs scripts that exist, and at home protected branches alone", () => {
  const recipe = readYaml(path.join(folder, "gitlab-ci.yml")) as Record<
    string,
    { readonly script?: readonly string[]; readonly tags?: readonly string[]; readonly rules?: unknown }
  >;
  for (const name of ["preview", "drift", "pull"]) {
    const scripts = recipe[name]?.script?.join("\n").match(/docs\/ci\/\S+\.sh/g) ?? [];
    assert.equal(scripts.length, 1);
    for (const file of scripts) fs.accessSync(path.resolve(folder, "../..", file), fs.constants.X_OK);
    const condition = recipe[name]?.tags ? "CI_DEFAULT_BRANCH" : "CI_MERGE_REQUEST_SOURCE_PROJECT_ID";
    assert.ok(JSON.stringify(recipe[name]?.rules).includes(condition), name);
  }
});
