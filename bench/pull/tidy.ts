import * as fs from "node:fs";

/** A bench that is ended from outside leaves no repository behind; what is left of its lab, the next lab removes. */
export function tidyWhenEnded(folder: string): void {
  process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
}
