/** `npm pack` runs this first: the package has JavaScript and types in dist/, as Node strips no types below node_modules. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

const root = path.dirname(import.meta.dirname);
const dist = path.join(root, "dist");

fs.rmSync(dist, { recursive: true, force: true });
execFileSync(path.join(root, "node_modules/.bin/tsc"), ["-p", "tools/tsconfig.pack.json"], {
  cwd: root,
  stdio: "inherit",
});
for (const part of fs.readdirSync(dist, { withFileTypes: true })) {
  if (part.isDirectory()) copyTexts(path.join(root, part.name), path.join(dist, part.name));
}
for (const file of fs.readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  if (/\.(js|d\.ts)$/.test(file)) nameJavaScript(path.join(dist, file));
}

/** What tsc does not take along: templates, scripts. */
function copyTexts(from: string, to: string): void {
  fs.cpSync(from, to, {
    recursive: true,
    filter: (file) => fs.statSync(file).isDirectory() || !/\.(ts|md)$/.test(file),
  });
}

/** tsc (5.9) rewrites neither the imports of types nor an `import()` in a function with `using`. */
function nameJavaScript(file: string): void {
  const text = fs.readFileSync(file, "utf8");
  fs.writeFileSync(file, text.replace(/((?:from |import\()"\.[^"]*)\.ts"/g, '$1.js"'));
}
