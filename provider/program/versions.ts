/**
 * The copies of the program at home, side by side, and which of them each stack's units run:
 *
 *     <state>/versions/0.1.0-5f3c9a0b12de/{cli,pull,...,node_modules,files.json}
 *     <state>/versions/current-<project>+<stack> -> 0.1.0-5f3c9a0b12de
 *
 * Who changes any of it holds a lock. A process that dies in the middle leaves the copy that it made under `unfinished`, and the lock free.
 */
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { holdFile } from "../../pull/held-file.ts";
import { UserError } from "../../schema/errors.ts";
import { homePaths } from "../../schema/paths.ts";
import { damaged, fill, readList } from "./copy.ts";
import { filesOf, nameOf } from "./plan.ts";

const run = promisify(execFile);

const isVersion = (name: string): boolean => /^\d[\w.-]*-[0-9a-f]{12}$/.test(name);
const unfinished = "unfinished";
const isCurrent = (name: string): boolean => name.startsWith("current-");

export const versionsFolder = (): string => path.join(homePaths().state, "versions");

/** What a stack's units run. */
export const currentOf = (owner: string): string =>
  path.join(versionsFolder(), `current-${owner.replace("/", "+")}`);

/** The name of the version that a stack's units run, with what is wrong with it; undefined for none. */
export function installedFor(owner: string): string | undefined {
  const name = linkOf(currentOf(owner));
  if (name === undefined) return undefined;
  const folder = path.join(versionsFolder(), name);
  const known = readList(folder);
  const wrong = known ? damaged(folder, known) : ["all of it"];
  if (wrong.length === 0) return name;
  const more = wrong.length > 3 ? ` and ${wrong.length - 3} more` : "";
  return `${name}, missing or changed: ${wrong.slice(0, 3).join(", ")}${more}`;
}

/** Another `up` copies the program: seconds. @throws UserError when it does not come to an end */
async function holdVersions(): Promise<Disposable> {
  const limit = performance.now() + 120_000;
  for (;;) {
    const held = holdFile(path.join(homePaths().state, "locks", "versions", "db"));
    if (held) return held;
    if (performance.now() > limit) {
      throw new UserError(
        `Another process has been changing ${versionsFolder()} for two minutes.`,
        "Wait until it has ended, or end it; then run `pulumi up` again.",
      );
    }
    await setTimeout(200);
  }
}

/**
 * Makes the copy of a checkout that is missing or damaged, has the stack's units run it from their next start on, and removes copies
 * that nobody needs. A run that is under way goes on with the files that it began with.
 * @throws UserError when the copy does not run, or when the checkout is not what `name` was made of any more
 */
export async function install(owner: string, root: string, name: string): Promise<void> {
  using _held = await holdVersions();
  fs.mkdirSync(versionsFolder(), { recursive: true, mode: 0o755 });
  const folder = path.join(versionsFolder(), name);
  const known = readList(folder);
  mustStillBe(root, name);
  if (!known) await make(root, name);
  else if (damaged(folder, known).length > 0) fill(folder, filesOf(root), []);
  point(currentOf(owner), name);
  tidy();
}

/** The name was made when `up` began: a `git pull` since would put other files under it. */
function mustStillBe(root: string, name: string): void {
  if (nameOf(root) === name) return;
  throw new UserError(
    `The checkout in ${root} has changed since \`pulumi up\` began.`,
    "Run `pulumi up` again.",
  );
}

async function make(root: string, name: string): Promise<void> {
  const folder = path.join(versionsFolder(), name);
  const fresh = path.join(versionsFolder(), unfinished);
  removeCopy(fresh);
  try {
    const others = names(isVersion).map((name) => path.join(versionsFolder(), name));
    fill(fresh, filesOf(root), others);
    mustStillBe(root, name);
    await prove(fresh);
    await run("sync", ["-f", fresh]); // before the rename: a power cut must not leave the name of what is not written
    removeCopy(folder); // without a list: the rest of a removal
    fs.renameSync(fresh, folder);
  } catch (error) {
    removeCopy(fresh);
    throw error;
  }
}

/** Starts it: Node, its modules and every verb are then there. */
async function prove(folder: string): Promise<void> {
  try {
    await run(path.join(folder, "cli/borgpull"), ["--help"], { timeout: 60_000, env: {} });
  } catch (cause) {
    const { stderr = "" } = cause as { stderr?: string };
    throw new UserError(
      `The copy of the program for the timers does not run: ${/^\w*Error.*/m.exec(stderr)?.[0] ?? String(cause)}.`,
      "Check that the checkout and its node_modules are whole (sh tools/setup.sh), then run `pulumi up` again.",
      { cause },
    );
  }
}

/** Whole at every moment, for a timer that fires now. */
function point(link: string, name: string): void {
  if (linkOf(link) === name) return;
  const fresh = path.join(versionsFolder(), `new-${path.basename(link)}`); // not current-...: a kill leaves it
  fs.rmSync(fresh, { force: true });
  fs.symlinkSync(name, fresh);
  fs.renameSync(fresh, link);
}

/** Forgets a stack; with the last one all copies go that nothing runs from. @returns those that stay because something does */
export async function forget(owner: string): Promise<readonly string[]> {
  using _held = await holdVersions();
  fs.rmSync(currentOf(owner), { force: true });
  if (names(isCurrent).length > 0 || !fs.existsSync(versionsFolder())) return [];
  removeCopy(path.join(versionsFolder(), unfinished));
  const running = inUse();
  remove(names((name) => isVersion(name) && !running.has(name)));
  const left = names(() => true);
  if (left.length === 0) fs.rmdirSync(versionsFolder());
  return left.filter(isVersion);
}

/** How many are kept beside those that are in use: to look at what an upgrade changed. */
const keptBeside = 2;

function tidy(): void {
  const needed = new Set([
    ...names(isCurrent).flatMap((link) => linkOf(path.join(versionsFolder(), link)) ?? []),
    ...inUse(),
  ]);
  const old = names(isVersion)
    .filter((name) => !needed.has(name))
    .toSorted((a, b) => installedAt(b).localeCompare(installedAt(a)));
  remove(old.slice(keptBeside));
}

const installedAt = (name: string): string => readList(path.join(versionsFolder(), name))?.installed ?? "";

function remove(versions: readonly string[]): void {
  for (const name of versions) removeCopy(path.join(versionsFolder(), name));
  // What V8 remembers of a file is kept by the file's path, and nobody else forgets it (cli/start.ts).
  if (versions.length > 0) fs.rmSync(homePaths().compileCache, { recursive: true, force: true });
}

/** The list goes first: what then remains of it is no copy any more. */
function removeCopy(folder: string): void {
  fs.rmSync(path.join(folder, "files.json"), { force: true });
  fs.rmSync(folder, { recursive: true, force: true });
}

/** The versions that a process runs from, by the Node that it runs. */
function inUse(): ReadonlySet<string> {
  const folder = `${fs.realpathSync(versionsFolder())}/`;
  const executables = fs
    .readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => readLink(`/proc/${pid}/exe`) ?? []);
  return new Set(
    executables.flatMap((file) =>
      file.startsWith(folder) ? [file.slice(folder.length).split("/")[0] ?? ""] : [],
    ),
  );
}

const names = (which: (name: string) => boolean): readonly string[] =>
  fs.existsSync(versionsFolder()) ? fs.readdirSync(versionsFolder()).filter(which) : [];

const linkOf = (link: string): string | undefined => {
  const name = readLink(link);
  return name !== undefined && isVersion(name) ? name : undefined;
};

/** Undefined for what is no link, has gone, or is another user's. */
function readLink(link: string): string | undefined {
  try {
    return fs.readlinkSync(link);
  } catch {
    return undefined;
  }
}
