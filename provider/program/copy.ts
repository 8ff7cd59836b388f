/** One installed copy of the program: its folder, and the list of its files beside them, by which a changed or missing one is found. */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import * as z from "zod";
import type { PlannedFile } from "./plan.ts";

const listed = z.strictObject({
  sha256: z.string(),
  executable: z.boolean(),
  bytes: z.int(),
  /** As it was installed: one that still has it is not read again. */
  changedMs: z.number(),
});
const list = z.strictObject({
  version: z.literal(1),
  /** When it was made. */
  installed: z.iso.datetime(),
  files: z.record(z.string(), listed),
});
export type FileList = z.infer<typeof list>;

const listName = "files.json";

/** The list of a copy; undefined where there is none, or none that is whole. */
export function readList(folder: string): FileList | undefined {
  try {
    return list.parse(JSON.parse(fs.readFileSync(path.join(folder, listName), "utf8")));
  } catch {
    return undefined;
  }
}

/** The files of a copy that are missing or not what was installed, by their paths in it. */
export function damaged(folder: string, { files }: FileList): readonly string[] {
  return Object.entries(files).flatMap(([name, file]) =>
    isWhole(path.join(folder, name), file) ? [] : [name],
  );
}

function isWhole(file: string, { bytes, executable, changedMs, sha256 }: FileList["files"][string]): boolean {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile() || stat.size !== bytes || (stat.mode & 0o777) !== modeOf(executable)) return false;
  return stat.mtimeMs === changedMs || digest(file) === sha256;
}

/**
 * Copies the planned files into a folder, replacing what is not as planned, and lists them. What another copy has already is linked
 * to it: a version then takes the room of what it changed, and not of a whole Node.
 * @param others copies to link to
 */
export function fill(folder: string, planned: readonly PlannedFile[], others: readonly string[]): void {
  const shared = others.flatMap((other) => {
    const known = readList(other);
    return known ? [{ other, known }] : [];
  });
  const files: Record<string, FileList["files"][string]> = {};
  for (const { from, to, executable } of planned) {
    const target = path.join(folder, to);
    const sha256 = digest(from);
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o755 });
    if (!isAlready(target, sha256, executable)) {
      const twin = shared.find(({ other, known }) => {
        const file = known.files[to];
        return (
          file?.sha256 === sha256 && file.executable === executable && isWhole(path.join(other, to), file)
        );
      });
      put(twin ? path.join(twin.other, to) : from, target, { link: twin !== undefined, executable });
    }
    const { size, mtimeMs } = fs.lstatSync(target);
    files[to] = { sha256: digest(target), executable, bytes: size, changedMs: mtimeMs };
  }
  const text = `${JSON.stringify({ version: 1, installed: new Date().toISOString(), files } satisfies FileList)}\n`;
  fs.writeFileSync(path.join(folder, `${listName}.new`), text, { mode: 0o644 });
  fs.renameSync(path.join(folder, `${listName}.new`), path.join(folder, listName));
}

function isAlready(file: string, sha256: string, executable: boolean): boolean {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  return stat?.isFile() === true && (stat.mode & 0o777) === modeOf(executable) && digest(file) === sha256;
}

/** Whole or not at all: who runs the old file goes on with it. */
function put(
  from: string,
  target: string,
  how: { readonly link: boolean; readonly executable: boolean },
): void {
  const fresh = `${target}.new`;
  fs.rmSync(fresh, { force: true });
  if (how.link) fs.linkSync(from, fresh);
  else {
    fs.copyFileSync(from, fresh, fs.constants.COPYFILE_FICLONE);
    fs.chmodSync(fresh, modeOf(how.executable));
  }
  fs.renameSync(fresh, target);
}

const modeOf = (executable: boolean): number => (executable ? 0o755 : 0o644);

const digest = (file: string): string =>
  crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex");
