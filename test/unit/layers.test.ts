import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";

const root = path.resolve(import.meta.dirname, "../..");

/** Part -> the parts that it may import, besides itself. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  schema: [],
  templates: ["schema"],
  remote: ["schema", "templates"],
  pull: ["schema", "remote"],
  report: ["schema", "pull", "templates"],
  cli: ["schema", "remote", "pull", "report"],
  provider: ["schema", "remote", "pull"],
  config: ["schema"],
  components: ["schema", "config", "templates"],
  "index.ts": ["schema", "config", "components"],
  tools: ["index.ts", "cli"],
  sandbox: ["schema", "tools", "pull"],
};
/** The only parts that may know of Pulumi. */
const pulumi = ["components", "index.ts", "provider", "tools"];

/** config.ts and known-hosts.ts are config's front doors. */
const partOf = (file: string): string => {
  const top = path.relative(root, file).split(path.sep)[0] as string;
  return top === "config.ts" || top === "known-hosts.ts" ? "config" : top;
};

interface Import {
  readonly from: string;
  readonly file: string;
  readonly to: string;
}

function importsOf(part: string): Import[] {
  const at = path.join(root, part);
  const files = fs.statSync(at).isFile()
    ? [at]
    : fs
        .readdirSync(at, { recursive: true, encoding: "utf8" })
        .filter((file) => /\.m?ts$|\.mjs$/.test(file))
        .map((file) => path.join(at, file));
  const also = part === "config" ? ["config.ts", "known-hosts.ts"].map((file) => path.join(root, file)) : [];
  return [...files, ...also].flatMap((file) =>
    [...fs.readFileSync(file, "utf8").matchAll(/(?:from|import\(?)\s*"([^"]+)"/g)].map(([, to]) => ({
      from: part,
      file: path.relative(root, file),
      to: to as string,
    })),
  );
}

for (const [part, may] of Object.entries(allowed)) {
  test(`${part} imports ${may.join(", ") || "no other part"} alone`, () => {
    const found = importsOf(part);
    assert.ok(found.length > 0, "a part that imports nothing is not being looked at");
    for (const { file, to } of found.filter(({ to }) => to.startsWith("."))) {
      const target = partOf(path.resolve(root, path.dirname(file), to));
      assert.ok(target === part || may.includes(target), `${file} imports ${to}`);
    }
  });

  if (!pulumi.includes(part)) {
    test(`${part} knows nothing of Pulumi`, () => {
      assert.deepEqual(
        importsOf(part).filter(({ to }) => to.startsWith("@pulumi/")),
        [],
      );
    });
  }
}

test("server.ts is the only file of the provider that sees a protobuf", () => {
  const files = importsOf("provider")
    .filter(({ to }) => /^@pulumi\/|google-protobuf|grpc/.test(to))
    .map(({ file }) => file);
  assert.deepEqual([...new Set(files)], ["provider/server.ts"]);
});
