/** `npm test`: every check of the project, one after the other; the first that fails ends it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { styleText } from "node:util";

const root = path.dirname(import.meta.dirname);
const bin = (name: string) => path.join(root, "node_modules/.bin", name);
const isRoot = process.getuid?.() === 0;

/** Hundreds of processes load the same modules: what V8 makes of them the first time halves the time that each takes to start. */
const env = { ...process.env, NODE_COMPILE_CACHE: path.join(root, "node_modules/.cache/tests") };

interface Stage {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

/** A folder's tests; `together` is how many files run at the same time. */
async function tests(folder: string, together: number): Promise<Stage> {
  const files = (await fs.readdir(path.join(root, "test", folder), { recursive: true }))
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => path.join("test", folder, file))
    .toSorted();
  const options = [
    "--test",
    `--test-concurrency=${together}`,
    "--test-reporter=spec",
    "--test-timeout=600000",
    `--import=${path.join(root, "test/end-lingering.ts")}`,
  ];
  return { name: folder, argv: [process.execPath, ...options, ...files] };
}

async function run({ name, argv: [file, ...args] }: Stage): Promise<boolean> {
  process.stdout.write(`\n${styleText("bold", `== ${name}`)}\n`);
  const began = performance.now();
  const child = spawn(file, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  const [code] = await once(child, "close");
  process.stdout.write(
    `== ${name}: ${code === 0 ? "passed" : "FAILED"} in ${((performance.now() - began) / 1000).toFixed(0)} s\n`,
  );
  return code === 0;
}

const only = process.argv.slice(2);
const stages: Stage[] = [
  { name: "types", argv: [bin("tsc"), "-p", "."] },
  { name: "format and lint", argv: [bin("biome"), "check", "--error-on-warnings", "--colors=off"] },
  await tests("unit", 2),
  await tests("component", 2),
];
// Hosts share two cores with their tests: more at once only makes each slower, save where they wait for a limit most of the time.
const needRoot = [
  await tests("provider", 2),
  await tests("e2e", 3),
  await tests("attack", 3),
  await tests("fault", 4),
];
if (isRoot) stages.push(...needRoot);

for (const stage of stages) {
  if (only.length > 0 && !only.includes(stage.name)) continue;
  if (!(await run(stage))) process.exit(1);
}
if (!isRoot) {
  const skipped = needRoot.map(({ name }) => name).join(", ");
  process.stdout.write(`\nSKIPPED: ${skipped}, which boot hosts and need root. Run: sudo npm test\n`);
  if (process.env.CI) process.exit(1); // CI never skips
}
