/** A tree with all that a file can be, on any machine, and what became of it. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { fileURLToPath } from "node:url";
import type { Host } from "../../sandbox/lab.ts";

const script = fileURLToPath(new URL("restore-tree.py", import.meta.url));

export function makeTree(folder: string): void {
  execFileSync("/usr/bin/python3", [script, "make", folder]);
}

/** Path, in hexadecimal, to what is there. */
export type Tree = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export const treeAt = (folder: string): Tree =>
  JSON.parse(
    execFileSync("/usr/bin/python3", [script, "show", folder], { encoding: "utf8", maxBuffer: 1 << 24 }),
  ) as Tree;

export async function makeTreeOn(host: Host, folder: string): Promise<void> {
  await host.run(`python3 - make ${folder}`, { stdin: fs.readFileSync(script, "utf8") });
}

export const treeOn = async (host: Host, folder: string): Promise<Tree> =>
  JSON.parse(await host.run(`python3 - show ${folder}`, { stdin: fs.readFileSync(script, "utf8") })) as Tree;
