/** Our program on a stack of its own, and what the engine takes without any host. */
import { spawn } from "node:child_process";
import * as crypto from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { openStack, pulumi, type Stack, writeConfig } from "../../sandbox/demo/stack.ts";
import type { Command, Contender, Ended } from "./contender.ts";
import type { Place } from "./machine.ts";

const checkout = path.resolve(import.meta.dirname, "../..");

export interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
}

export interface BenchStack extends AsyncDisposable {
  readonly stack: Stack;
  configure(places: readonly Place[]): Promise<void>;
  /** Runs `pulumi` to its end. Throws with what it says when it fails. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
  resources(): Promise<readonly Resource[]>;
}

/** A stack without hosts, and a home in a temporary folder. */
export async function openBenchStack(): Promise<BenchStack> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "bench-home-"));
  const stack = await openStack(`bench-${crypto.randomBytes(4).toString("hex")}`, folder);
  const run: BenchStack["run"] = async (args, env = {}) => {
    const child = pulumi(stack, [...args, "--non-interactive", "--color=never"], { env });
    let output = "";
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`pulumi ${args[0]} ended with ${code}:\n${output.slice(-8000)}`);
    return stdout;
  };
  await writeConfig(stack, { repositories: stack.repositories, hosts: {} });
  await run(["stack", "select", "--create"]);
  return {
    stack,
    run,
    configure: (places) => writeConfig(stack, { repositories: stack.repositories, hosts: entries(places) }),
    resources: async () => {
      const { deployment } = JSON.parse(await run(["stack", "export"])) as {
        deployment: { resources?: readonly Resource[] };
      };
      return deployment.resources ?? [];
    },
    [Symbol.asyncDispose]: async () => {
      await fs.rm(folder, { recursive: true, force: true });
      await fs.rm(stack.configFile, { force: true });
    },
  };
}

/** One small folder a host: what is measured is not the backup. */
const entries = (places: readonly Place[]) =>
  Object.fromEntries(
    places.map(({ name, target: { host, port, user, hostKeys, auth } }) => [
      name,
      { address: host, port, user, hostKey: hostKeys[0], identity: auth, paths: ["/etc/ssh"] },
    ]),
  );

const words = ["--non-interactive", "--color=never"];

/** @param parallel resources at once: no less than there are */
export function preview(
  { stack }: BenchStack,
  parallel: number,
  about: Pick<Contender, "name" | "what" | "seesDrift">,
): Contender {
  const args = ["preview", "--diff", "--expect-no-changes", `--parallel=${parallel}`, ...words];
  return {
    ...about,
    command: () => ({ argv: ["pulumi", ...args, "--stack", stack.name], cwd: checkout, env: stack.env }),
    verdict: previewed,
  };
}

function previewed({ code, output }: Ended) {
  if (code === 0) return "unchanged";
  if (/error: .*no changes were expected|no changes were expected but changes/.test(output)) return "changed";
  throw new Error(`pulumi preview ended with ${code}:\n${output.slice(-4000)}`);
}

export const up = ({ stack }: BenchStack, parallel: number): Command => ({
  argv: [
    "pulumi",
    "up",
    "--yes",
    "--skip-preview",
    `--parallel=${parallel}`,
    ...words,
    "--stack",
    stack.name,
  ],
  cwd: checkout,
  env: stack.env,
});

/** A program of one empty file: what the engine and its language host take by themselves. */
export async function plainProject({ stack }: BenchStack): Promise<Contender & AsyncDisposable> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "bench-plain-"));
  const yaml = "name: plain\nruntime:\n  name: nodejs\n  options:\n    typescript: false\n";
  await fs.writeFile(path.join(folder, "Pulumi.yaml"), yaml);
  await fs.writeFile(path.join(folder, "package.json"), '{"main": "index.js"}\n');
  await fs.writeFile(path.join(folder, "index.js"), "");
  await fs.symlink(path.join(checkout, "node_modules"), path.join(folder, "node_modules"));
  const command = (args: readonly string[]): Command => ({
    argv: ["pulumi", ...args, ...words, "--stack", "plain"],
    cwd: folder,
    env: stack.env,
  });
  for (const args of [
    ["stack", "select", "--create"],
    ["up", "--yes", "--skip-preview"],
  ]) {
    const { argv, cwd, env } = command(args);
    const child = spawn(argv[0], argv.slice(1), { cwd, env, stdio: "ignore" });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`pulumi ${args[0]} of the plain project ended with ${code}`);
  }
  return {
    name: "plain",
    what: "`pulumi preview` of a project with an empty program",
    seesDrift: false,
    command: () => command(["preview", "--diff", "--expect-no-changes"]),
    verdict: previewed,
    [Symbol.asyncDispose]: () => fs.rm(folder, { recursive: true, force: true }),
  };
}
