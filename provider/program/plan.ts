/** What a copy of the program is made of, and its name. Reads only. */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { version } from "../../schema/version.ts";
import { manifestOf, packagesOf } from "./packages.ts";

export interface PlannedFile {
  readonly from: string;
  /** Relative to the copy. */
  readonly to: string;
  readonly executable: boolean;
}

/** What the command needs of the checkout; the others are for `pulumi up` alone. */
const parts = ["cli", "pull", "remote", "schema", "templates", "report"];
/** What only `pulumi up` needs, and Node, which is copied as the one file that it is. */
const others = new Set(["@pulumi/pulumi", "@pulumi/command", "@grpc/grpc-js", "google-protobuf", "node"]);
/** What nobody runs: types, sources of what is compiled, maps; of the charts' library the bundles for browsers, half of all that is left. */
const needless = /\.(map|md|markdown|ts|mts|cts)$|^node_modules\/(echarts|zrender)\/(dist|i18n|theme)\//;

/** Where a copy has its Node, which cli/borgpull looks for there. */
export const nodeInCopy = "node_modules/.bin/node";

/**
 * The name of the copy that a checkout would make, such as "0.1.0-5f3c9a0b12de": by the content of the sources and the versions of
 * the packages and of Node, and so the same on every machine.
 * @param root the folder that holds cli/ and the rest: a checkout, or the dist/ of a package
 */
export function nameOf(root: string): string {
  const hash = crypto.createHash("sha256");
  for (const { from, to, executable } of sources(root)) {
    const content = crypto.createHash("sha256").update(fs.readFileSync(from)).digest("hex");
    hash.update(`${to}\0${executable}\0${content}\n`);
  }
  const packages = packagesOf(packageFolder(root), needed(root)).filter(({ optional }) => !optional);
  const versions = packages.map(({ name, version: of }) => `${name}@${of}`).toSorted();
  hash.update([...versions, `node@${process.version}`].join("\n"));
  return `${version}-${hash.digest("hex").slice(0, 12)}`;
}

/** Every file of the copy. */
export function filesOf(root: string): readonly PlannedFile[] {
  const packages = packagesOf(packageFolder(root), needed(root)).flatMap(({ from, to }) =>
    filesBelow(from, to).filter(({ to: file }) => !needless.test(file)),
  );
  const node = { from: fs.realpathSync(process.execPath), to: nodeInCopy, executable: true };
  return [...sources(root), ...packages, node];
}

const needed = (root: string): readonly string[] =>
  Object.keys(manifestOf(packageFolder(root)).dependencies ?? {}).filter((name) => !others.has(name));

/** The folder with package.json: the checkout itself, or what dist/ is in. */
const packageFolder = (root: string): string =>
  fs.existsSync(path.join(root, "package.json")) ? root : path.dirname(root);

/** Ours, in an order that is the same everywhere; package.json says that they are modules. */
function sources(root: string): readonly PlannedFile[] {
  const own = parts.flatMap((part) =>
    fs.existsSync(path.join(root, part)) ? filesBelow(path.join(root, part), part) : [],
  );
  const manifest = {
    from: path.join(packageFolder(root), "package.json"),
    to: "package.json",
    executable: false,
  };
  const run = own.filter(({ to }) => !/\.(md|d\.ts)$/.test(to));
  return [manifest, ...run].toSorted((a, b) => (a.to < b.to ? -1 : 1));
}

/** The regular files of a folder, those of packages inside it left out. */
function filesBelow(from: string, to: string): PlannedFile[] {
  return fs.readdirSync(from, { withFileTypes: true }).flatMap((entry) => {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : filesBelow(source, target);
    if (!entry.isFile()) return [];
    return [{ from: source, to: target, executable: (fs.statSync(source).mode & 0o100) !== 0 }];
  });
}
