import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import { borgpullProgram } from "../../../cli/program.ts";
import { version } from "../../../schema/version.ts";
import { cliReference, helpOf } from "../../../tools/cli-docs.ts";
import { borgpull } from "../../borgpull.ts";

test("every verb's help describes each argument and option, and has an example", async () => {
  for (const verb of (await borgpullProgram()).commands.filter((command) => command.name() !== "complete")) {
    const help = helpOf(verb);
    assert.match(help, new RegExp(`Examples?:\\n(.*\\n)*? .*borgpull ${verb.name()}\\b`), verb.name());
    for (const { description, flags } of verb.options) assert.ok(description, `${verb.name()} ${flags}`);
    for (const argument of verb.registeredArguments)
      assert.ok(argument.description, `${verb.name()} ${argument.name()}`);
  }
});

test("borgpull --version prints the version", async () => {
  const { stdout, code } = await borgpull(["--version"]);
  assert.deepEqual({ stdout, code }, { stdout: `${version}\n`, code: 0 });
});

test("docs/cli.md is what the help says: tools/cli-docs.ts writes it anew", async () => {
  const file = new URL("../../../docs/cli.md", import.meta.url);
  assert.equal(fs.readFileSync(file, "utf8"), await cliReference());
});
