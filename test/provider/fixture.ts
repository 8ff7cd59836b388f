/** One booted host and one provider process for a file of tests. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { type Base, type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { type Driver, startProvider } from "./driver.ts";

export const owner = "proj/dev";

export interface Fixture extends AsyncDisposable {
  readonly lab: Lab;
  readonly host: Host;
  readonly provider: Driver;
  /** The `connection` and `owner` inputs of everything on the host. */
  readonly on: { readonly connection: Record<string, unknown>; readonly owner: string };
  /** A folder of this test's own on this machine: config and state at home. */
  readonly folder: string;
}

export async function fixture(
  options: {
    readonly base?: Base;
    readonly login?: "root" | "admin";
    readonly env?: Record<string, string>;
  } = {},
): Promise<Fixture> {
  const lab = await openLab();
  const host = await lab.boot({
    name: "vps",
    base: options.base ?? "debian12",
    login: options.login ?? "root",
  });
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "borgpull-test-"));
  const provider = await startProvider({
    BORGPULL_CONFIG: `${folder}/config`,
    BORGPULL_STATE: `${folder}/state`,
    ...options.env,
  });
  const connection = JSON.parse(JSON.stringify(await host.target())) as Record<string, unknown>;
  return {
    lab,
    host,
    provider,
    folder,
    on: { connection, owner },
    [Symbol.asyncDispose]: async () => {
      await provider[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
      await fs.rm(folder, { recursive: true, force: true });
    },
  };
}

/** `<machine id>/<uid>`, as the provider tells home. */
export const home = `${execFileSync("cat", ["/etc/machine-id"]).toString().trim()}/${os.userInfo().uid}`;

/** Read, then the difference that the engine would show: path -> kind. */
export async function drift(
  provider: Driver,
  type: string,
  id: string,
  outputs: Record<string, unknown>,
  inputs: Record<string, unknown>,
): Promise<{ readonly live: Record<string, unknown>; readonly paths: Record<string, string> }> {
  const read = await provider.read(type, id, outputs, inputs);
  if (read.id === "") return { live: {}, paths: { "(gone)": "DELETE" } };
  const { paths } = await provider.diff(type, read.outputs, inputs);
  return { live: read.outputs, paths };
}
