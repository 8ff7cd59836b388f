/** A stack of the real program on a real engine, with booted hosts and a home of its own: what every end-to-end test starts from. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { openStack, pulumi, type Stack, writeConfig } from "../../sandbox/demo/stack.ts";
import { inTurns } from "../../sandbox/in-turns.ts";
import { type Host, type HostSpec, type Lab, openLab } from "../../sandbox/lab.ts";

export interface Ended {
  readonly code: number | null;
  /** Standard output and error as they came, without colours. */
  readonly out: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments of pulumi. */
  readonly args?: readonly string[];
}

export interface Program extends AsyncDisposable {
  readonly lab: Lab;
  readonly stack: Stack;
  /** Booted hosts by name. */
  host(name: string): Host;
  /** A host's entry for the config: address, login, host key, admin key and two small paths; `extra` goes over it. */
  entry(name: string, extra?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** Writes the stack's config: `hosts` and whatever else. */
  configure(
    hosts: Readonly<Record<string, unknown>>,
    more?: Readonly<Record<string, unknown>>,
  ): Promise<void>;
  up(options?: RunOptions): Promise<Ended>;
  preview(options?: RunOptions): Promise<Ended>;
  /** `pulumi preview --expect-no-changes` with no pull: 0 when clean, 7 with drift. */
  clean(options?: RunOptions): Promise<number | null>;
  destroy(options?: RunOptions): Promise<Ended>;
  /** `pulumi` under way, for tests that interfere; its output in `text()`. */
  begin(
    args: readonly string[],
    options?: RunOptions,
  ): { readonly child: ChildProcess; readonly text: () => string; readonly ended: Promise<Ended> };
  /** The whole state as text. */
  exportState(): Promise<string>;
}

let counter = 0;

/** Boots the hosts and makes an empty stack. Everything of it goes with `await using`. */
export async function openProgram(specs: readonly HostSpec[]): Promise<Program> {
  const lab = await openLab();
  const hosts = new Map(await inTurns(specs, async (spec) => [spec.name, await lab.boot(spec)] as const));
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "borgpull-e2e-"));
  const stack = await openStack(`t${process.pid}x${counter++}`, folder);
  const begin: Program["begin"] = (args, options = {}) => {
    const env = options.env ? { env: options.env } : {};
    const child = pulumi(
      stack,
      [...args, "--non-interactive", "--color=never", ...(options.args ?? [])],
      env,
    );
    let out = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        out += text;
      });
    }
    const text = () => stripVTControlCharacters(out);
    const ended = once(child, "close").then(([code]) => ({ code, out: text() }));
    return { child, text, ended };
  };
  const run = (args: readonly string[], options?: RunOptions) => begin(args, options).ended;
  const host = (name: string): Host => {
    const found = hosts.get(name);
    if (!found) throw new Error(`no host ${name}`);
    return found;
  };
  await run(["stack", "select", "--create"]);
  return {
    lab,
    stack,
    host,
    entry: (name, extra = {}) => {
      const { address, adminKeyFile, hostKeys } = host(name);
      const { user } = host(name).target();
      return { address, user, hostKey: hostKeys[0], identity: adminKeyFile, paths: ["/etc"], ...extra };
    },
    configure: (entries, more = {}) =>
      writeConfig(stack, { repositories: stack.repositories, hosts: entries, ...more }),
    up: (options) => run(["up", "--yes", "--skip-preview"], options),
    preview: (options) => run(["preview", "--diff", "--show-full-output"], options),
    clean: async (options) =>
      (
        await run(["preview", "--expect-no-changes"], {
          ...options,
          env: { BORGPULL_PULL: "never", ...options?.env },
        })
      ).code,
    destroy: (options) => run(["destroy", "--yes", "--skip-preview"], options),
    begin,
    exportState: async () => (await run(["stack", "export", "--show-secrets"])).out,
    [Symbol.asyncDispose]: async () => {
      await lab[Symbol.asyncDispose]();
      await fs.rm(folder, { recursive: true, force: true });
      await fs.rm(stack.configFile, { force: true });
    },
  };
}
