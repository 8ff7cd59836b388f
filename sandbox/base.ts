import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { UserError } from "../schema/errors.ts";
import { attempt, command } from "./command.ts";
import { withLock } from "./lock.ts";
import { type Base, debianMirror, folderName, recipe, suites, targetFormat } from "./recipe.ts";
import { cacheRoot } from "./state.ts";

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * The folder of a base tree, built on first use (about 20 s) and shared by every lab from then on.
 * @param say told before a build begins
 */
export async function ensureBase(base: Base, say: (line: string) => void = () => {}): Promise<string> {
  const folder = path.join(cacheRoot(), folderName(base));
  if (existsSync(folder)) return folder;
  await fs.mkdir(cacheRoot(), { recursive: true });
  await withLock(
    path.join(cacheRoot(), `${base}.lock`),
    async () => {
      if (existsSync(folder)) return; // built while we waited
      say(`Building a Debian ${base.slice("debian".length)} to boot hosts from (once, under a minute)`);
      await build(base, folder);
    },
    900,
  );
  return folder;
}

async function build(base: Base, folder: string): Promise<void> {
  const unfinished = `${folder}.unfinished`;
  await fs.rm(unfinished, { recursive: true, force: true });
  const [...args] = recipe(base);
  const argv = ["mmdebstrap", "--quiet", `--keyring=${keyring}`] as const;
  const apt = await aptSettings();
  const built = await attempt([...argv, ...apt, ...args, unfinished, await mirror()], {
    timeoutSeconds: 900,
  });
  if (built.code !== 0) {
    await fs.rm(unfinished, { recursive: true, force: true });
    throw new UserError(
      `mmdebstrap could not build Debian's ${suites[base]}: ${built.stderr.trim().split("\n").slice(-5).join(" / ")}`,
      "Check that `apt-get update` works on this machine, then run it again.",
    );
  }
  await fs.rename(unfinished, folder);
}

async function mirror(): Promise<string> {
  const targets = await command([
    "apt-get",
    "indextargets",
    "--format",
    targetFormat,
    "Created-By: Packages",
  ]);
  const found = debianMirror(targets);
  if (found) return found;
  throw new UserError(
    "apt on this machine knows no Debian mirror to build the sandbox's hosts from.",
    "Add a Debian main source to /etc/apt/sources.list.d and run apt-get update.",
  );
}

/** This machine's way to its mirror (a proxy, say); mmdebstrap reads none of apt's own configuration. */
async function aptSettings(): Promise<string[]> {
  const dump = await command([
    "apt-config",
    "dump",
    "--no-empty",
    "--format",
    '%F "%v";%n',
    "Acquire::http",
    "Acquire::https",
  ]);
  return dump
    .split("\n")
    .filter(Boolean)
    .map((line) => `--aptopt=${line}`);
}
