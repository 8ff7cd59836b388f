/** The npm packages that a program needs, found as Node finds them, and where a copy of it has them. */
import * as fs from "node:fs";
import * as path from "node:path";

export interface Package {
  readonly name: string;
  readonly version: string;
  /** Its folder, links resolved. */
  readonly from: string;
  /** Its folder in the copy: `node_modules/<name>`, or below the package that needs another version than the rest. */
  readonly to: string;
  /** Nobody needs it but by optionalDependencies: whether it is there depends on the machine. */
  readonly optional: boolean;
}

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * All packages that `names` of the package in `root` lead to. Works whatever laid node_modules out: npm, pnpm, or a workspace above.
 * @throws Error for one that is needed and not installed
 */
export function packagesOf(root: string, names: readonly string[]): readonly Package[] {
  const placed = new Map<string, Package>();
  // Whoever nests a package does it before what is nested there is looked at: breadth first, nobody's choice is shadowed later.
  visit(names.map((name) => ({ name, from: root, to: "" })));
  return [...placed.values()];

  function visit(wanted: readonly { readonly name: string; readonly from: string; readonly to: string }[]) {
    const queue = wanted.map((each) => ({ ...each, optional: false }));
    const later: typeof queue = [];
    for (let next = queue.shift() ?? later.shift(); next; next = queue.shift() ?? later.shift()) {
      const { name, from, to, optional } = next;
      const folder = resolve(from, name);
      if (folder === undefined) {
        if (optional) continue;
        throw new Error(`${name}, which ${from} needs, is not installed`);
      }
      const seen = nearest(placed, to, name);
      if (seen?.from === folder) continue;
      const place = path.join(seen ? to : "", "node_modules", name);
      const { version = "", dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
      placed.set(place, { name, version, from: folder, to: place, optional });
      const needed = Object.keys(dependencies).filter((each) => !(each in optionalDependencies));
      const here = { from: folder, to: place };
      (optional ? later : queue).push(...needed.map((each) => ({ ...here, name: each, optional })));
      later.push(
        ...Object.keys(optionalDependencies).map((each) => ({ ...here, name: each, optional: true })),
      );
    }
  }
}

export const manifestOf = (folder: string): Manifest =>
  JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as Manifest;

/** The folder of the package `name` as a file in `from` would import it. */
function resolve(from: string, name: string): string | undefined {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, "node_modules", name);
    if (fs.existsSync(path.join(candidate, "package.json"))) return fs.realpathSync(candidate);
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** The package that a file in `to` of the copy would get, as far as the copy goes by now. */
function nearest(placed: ReadonlyMap<string, Package>, to: string, name: string): Package | undefined {
  for (let folder = to; ; folder = path.dirname(folder)) {
    const found = placed.get(path.join(folder, "node_modules", name));
    if (found) return found;
    if (folder === "" || folder === ".") return undefined;
  }
}
