import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after } from "node:test";
import { type Lab, openLab } from "../../sandbox/lab.ts";

/** Hosts to attack, and a folder for what the attacker has. Both are gone after the file's tests. */
export async function workshop(): Promise<{ readonly lab: Lab; readonly folder: string }> {
  const lab = await openLab();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "attack-"));
  after(async () => {
    await lab[Symbol.asyncDispose]();
    fs.rmSync(folder, { recursive: true });
  });
  return { lab, folder };
}
