/** A Pulumi stack on a file backend, with its home in a folder: what `pulumi` needs to run here, for the demo and for the tests. */
import { type ChildProcess, spawn } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { withEngine } from "../../tools/engine.ts";

const checkout = path.resolve(import.meta.dirname, "../..");

export interface Stack {
  readonly name: string;
  /** Everything of it is below this folder: state, config and records of home, repositories. */
  readonly folder: string;
  readonly configFile: string;
  readonly repositories: string;
  readonly env: NodeJS.ProcessEnv;
  /** What a shell sources to use it. */
  readonly envFile: string;
}

/** The variables that make this stack's `pulumi` and `borgpull` the ones at hand. */
function variables(folder: string): Record<string, string> {
  return {
    PULUMI_BACKEND_URL: `file://${folder}/pulumi`,
    PULUMI_CONFIG_PASSPHRASE_FILE: `${folder}/passphrase`,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    // One dead VPS does not stop the others.
    PULUMI_CONTINUE_ON_ERROR: "true",
    BORGPULL_CONFIG: `${folder}/home/config`,
    BORGPULL_STATE: `${folder}/home/state`,
  };
}

/** Makes the folder and the stack's environment; a second call finds what the first made. */
export async function openStack(name: string, folder: string): Promise<Stack> {
  await fs.mkdir(path.join(folder, "pulumi"), { recursive: true, mode: 0o700 });
  const passphrase = path.join(folder, "passphrase");
  await fs
    .writeFile(passphrase, crypto.randomBytes(24).toString("base64url"), { mode: 0o600, flag: "wx" })
    .catch(ignoreExisting);
  const own = variables(folder);
  // The language host starts `node`: the project's own, since the system's may not run TypeScript.
  const env = withEngine({
    ...process.env,
    ...own,
    PATH: `${checkout}/node_modules/.bin:${process.env.PATH}`,
  });
  const envFile = path.join(folder, "env");
  const lines = Object.entries({ ...own, PATH: `${env.PATH}` }).map(
    ([key, value]) => `export ${key}='${value}'\n`,
  );
  await fs.writeFile(envFile, lines.join(""), { mode: 0o600 });
  const configFile = path.join(checkout, `Pulumi.${name}.yaml`);
  return { name, folder, configFile, repositories: path.join(folder, "home/repositories"), env, envFile };
}

const ignoreExisting = (error: NodeJS.ErrnoException) => {
  if (error.code !== "EEXIST") throw error;
};

/** Writes the stack's config; what Pulumi itself keeps in that file stays. JSON is YAML. */
export async function writeConfig(stack: Stack, config: Readonly<Record<string, unknown>>): Promise<void> {
  const old = await fs.readFile(stack.configFile, "utf8").catch(() => "");
  const kept = /^encryptionsalt: .*$/m.exec(old)?.[0];
  const entries = Object.entries(config).map(
    ([key, value]) => `  borgpull:${key}: ${JSON.stringify(value)}\n`,
  );
  const text = `${kept ? `${kept}\n` : ""}config:\n${entries.join("")}`;
  if (text !== old) await fs.writeFile(stack.configFile, text);
}

/** Runs `pulumi` on the stack, in the checkout. */
export function pulumi(
  stack: Stack,
  args: readonly string[],
  options: { readonly stdio?: "inherit" | "pipe"; readonly env?: Readonly<Record<string, string>> } = {},
): ChildProcess {
  return spawn("pulumi", [...args, "--stack", stack.name], {
    cwd: checkout,
    env: { ...stack.env, ...options.env },
    stdio: options.stdio === "inherit" ? "inherit" : ["ignore", "pipe", "pipe"],
  });
}
