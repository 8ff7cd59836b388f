/** What runs on this machine and on a VPS, as the end-to-end tests look for it. */
import * as fs from "node:fs";

export interface Process {
  readonly pid: number;
  readonly command: string;
  readonly environment: string;
}

/** Every process of this machine but this one, those inside the sandbox's hosts included. */
export function processes(): readonly Process[] {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => ({
      pid: Number(name),
      command: read(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim(),
      environment: read(`/proc/${name}/environ`),
    }));
}

/** Those that a stack began: each inherits its folder's name in a variable, borg too, or has it as an argument. */
export const processesOf = (folder: string): readonly Process[] =>
  processes().filter(({ command, environment }) => command.includes(folder) || environment.includes(folder));

function read(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
