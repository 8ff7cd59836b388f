import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, suite, test } from "node:test";
import { attempt, command, type Outcome } from "../../sandbox/command.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { engineFolder } from "../../tools/engine.ts";

const checkout = path.resolve(import.meta.dirname, "../..");
const modules = path.join(checkout, "node_modules");
let folder: string;
let tarball: string;
let lab: Lab;
let vps: Host;

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-package-"));
  tarball = await pack();
  lab = await openLab();
  vps = await lab.boot({ name: "web1", base: "debian12", login: "root" });
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** `npm pack`, in a copy of the checkout: it writes where it works. */
async function pack(): Promise<string> {
  const source = path.join(folder, "source");
  const left = new Set(["node_modules", ".git", ".sandbox", "test", "docs", "dist"]);
  fs.cpSync(checkout, source, {
    recursive: true,
    filter: (file) => !left.has(path.relative(checkout, file)),
  });
  fs.symlinkSync(modules, path.join(source, "node_modules"));
  await command(["sh", "-c", 'cd "$1" && npm pack --pack-destination "$2"', "sh", source, folder], {
    timeoutSeconds: 240,
  });
  const [found] = fs.readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  return path.join(folder, found ?? "");
}

interface Somebody {
  readonly folder: string;
  pulumi(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>;
}

/** An empty project of somebody else with the package in it; the packages that it needs are the checkout's. */
async function somebody(name: string, files: Readonly<Record<string, string>>): Promise<Somebody> {
  const at = path.join(folder, name);
  fs.mkdirSync(path.join(at, "node_modules/borgpull"), { recursive: true });
  fs.mkdirSync(path.join(at, "state"));
  for (const [file, text] of Object.entries(files)) fs.writeFileSync(path.join(at, file), text);
  await command([
    "tar",
    "xzf",
    tarball,
    "--strip-components=1",
    "-C",
    path.join(at, "node_modules/borgpull"),
  ]);
  for (const each of fs.readdirSync(modules).filter((entry) => entry !== ".engine")) {
    fs.symlinkSync(path.join(modules, each), path.join(at, "node_modules", each));
  }
  const home = path.join(folder, `home-of-${name}`);
  const pulumi: Somebody["pulumi"] = (words, env = {}) =>
    attempt(
      [
        "sh",
        "-c",
        'cd "$1" && shift && exec pulumi "$@" --non-interactive --color=never',
        "sh",
        at,
        ...words,
      ],
      {
        timeoutSeconds: 240,
        env: {
          PATH: `${engineFolder}:${modules}/.bin:${process.env.PATH}`,
          PULUMI_BACKEND_URL: `file://${at}/state`,
          PULUMI_CONFIG_PASSPHRASE: "",
          PULUMI_SKIP_UPDATE_CHECK: "true",
          PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
          PULUMI_STACK: "dev",
          BORGPULL_CONFIG: `${home}/config`,
          BORGPULL_STATE: `${home}/state`,
          ADDRESS: vps.address,
          HOST_KEY: vps.hostKeys[0],
          IDENTITY: vps.adminKeyFile,
          REPOSITORY: `${home}/repository`,
          ...env,
        },
      },
    );
  const made = await pulumi(["stack", "init", "dev"], { PULUMI_STACK: "" });
  assert.equal(made.code, 0, made.stderr);
  return { folder: at, pulumi };
}

const project = `name: somebody
runtime: nodejs
plugins:
  providers:
    - {name: borgpull, path: node_modules/borgpull/provider}
`;
const use = `
const { ADDRESS = "", HOST_KEY = "", IDENTITY = "", REPOSITORY = "" } = process.env;
const vps = new Vps("web1", { address: ADDRESS, hostKey: HOST_KEY, identity: IDENTITY, home: declareHome() });
const what = { paths: ["/etc"], repository: REPOSITORY, schedule: "03:00", audit: false };
const job = new PullJob("web1", { vps, ...what });
`;
const manifest = (more: object = {}) => JSON.stringify({ name: "somebody", ...more });

test("the package holds JavaScript with types and the plugin, and no TypeScript that Node would have to strip", async () => {
  const names = (await command(["tar", "tzf", tarball])).split("\n");
  for (const name of [
    "cli/borgpull",
    "provider/pulumi-resource-borgpull",
    "dist/components/index.js",
    "dist/components/index.d.ts",
    "dist/cli/borgpull",
  ])
    assert.ok(names.includes(`package/${name}`), name);
  assert.deepEqual(
    names.filter((name) => /(?<!\.d)\.ts$|^package\/(test|sandbox|docs)/.test(name)),
    [],
  );
  const at = path.join(folder, "looked-at");
  fs.mkdirSync(at);
  await command(["tar", "xzf", tarball, "-C", at]);
  const unresolved = await attempt(["grep", "-rnE", `(from |import\\()"\\.[^"]*\\.ts"`, at]);
  assert.equal(unresolved.stdout, "");
});

suite("a program of somebody else", { concurrency: 1 }, () => {
  test("in TypeScript, as `pulumi new typescript` has it: up with a pull, and no difference after it", async () => {
    const { pulumi, folder: at } = await somebody("typescript", {
      "package.json": manifest(),
      "Pulumi.yaml": project,
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          strict: true,
          outDir: "bin",
          target: "es2020",
          module: "commonjs",
          moduleResolution: "node",
        },
        files: ["index.ts"],
      }),
      "index.ts": `import { declareHome, PullJob, Vps } from "borgpull";
${use}
export const files = job.lastGood.apply((good): number | undefined => good?.files);
`,
    });
    const up = await pulumi(["up", "--yes", "--skip-preview"]);
    assert.equal(up.code, 0, up.stdout);
    assert.match(up.stdout, /files: \d\d+/);
    const again = await pulumi(["preview", "--expect-no-changes"]);
    assert.equal(again.code, 0, again.stdout);
    const home = path.join(folder, "home-of-typescript");
    const env = { BORGPULL_CONFIG: `${home}/config`, BORGPULL_STATE: `${home}/state` };
    const timers = `${home}/state/versions/current-somebody+dev/cli/borgpull`;
    const run = await attempt([timers, "run", "web1"], { env });
    assert.match(run.stdout, /^web1: good, /m, run.stderr);
    const mine = `${at}/node_modules/borgpull/cli/borgpull`;
    const report = await attempt([mine, "report", "--out", "-"], { env });
    assert.match(report.stdout, /^<!doctype html>.*web1/s, report.stderr);
  });

  test("in JavaScript, with the plugin found on PATH as npx puts it there", async () => {
    const { pulumi, folder: at } = await somebody("javascript", {
      "package.json": manifest({ type: "module" }),
      "Pulumi.yaml": "name: somebody\nruntime: nodejs\n",
      "index.js": `import { declareHome, PullJob, Vps } from "borgpull";\n${use}\nexport const { repository } = job;\n`,
    });
    const bin = path.join(at, "bin");
    fs.mkdirSync(bin);
    fs.symlinkSync(
      "../node_modules/borgpull/provider/pulumi-resource-borgpull",
      path.join(bin, "pulumi-resource-borgpull"),
    );
    const preview = await pulumi(["preview"], { PATH: `${bin}:${engineFolder}:${process.env.PATH}` });
    assert.equal(preview.code, 0, preview.stdout);
    assert.match(preview.stdout, /borgpull:index:Pull web1-pull create/);
  });

  // one that reads `types` of package.json, and one that reads `exports`
  for (const [module, moduleResolution] of [
    ["commonjs", "node"],
    ["nodenext", "nodenext"],
  ] as const)
    test(`finds the types with moduleResolution ${moduleResolution}`, async () => {
      const at = path.join(folder, `types-${moduleResolution}`);
      fs.mkdirSync(at);
      fs.symlinkSync(path.join(folder, "typescript/node_modules"), path.join(at, "node_modules"));
      fs.writeFileSync(
        path.join(at, "index.ts"),
        `import { PullJob, type PullJobArgs, Vps } from "borgpull";
const vps = new Vps("a", { address: "a" });
const good: PullJobArgs = { vps, paths: ["/etc"] };
// @ts-expect-error a number is no path
const bad: PullJobArgs = { vps, paths: [1] };
new PullJob("a", good ?? bad);
`,
      );
      const options = {
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        target: "es2022",
        module,
        moduleResolution,
        types: ["node"],
      };
      fs.writeFileSync(
        path.join(at, "tsconfig.json"),
        JSON.stringify({ compilerOptions: options, files: ["index.ts"] }),
      );
      const checked = await attempt([path.join(modules, ".bin/tsc"), "-p", at], { timeoutSeconds: 120 });
      assert.equal(checked.stdout, "");
      assert.equal(checked.code, 0);
    });
});
