/** The two rivals, pinned, in a folder that is made once and kept. */
import * as fs from "node:fs";
import * as path from "node:path";
import { attempt, command } from "../../sandbox/command.ts";
import { UserError } from "../../schema/errors.ts";

export const versions = { "ansible-core": "2.19.14", pyinfra: "3.10.0" } as const;

const cache = path.resolve(import.meta.dirname, "../../node_modules/.cache/bench");

/** The `bin` folder with their programs. */
export async function pythonTools(say: (line: string) => void): Promise<string> {
  const pins = Object.entries(versions).map(([name, version]) => `${name}==${version}`);
  const folder = path.join(cache, pins.join("-"));
  const whole = path.join(folder, "whole");
  if (!fs.existsSync(whole)) {
    say(`Installing ${pins.join(" and ")} (once)`);
    fs.rmSync(folder, { recursive: true, force: true });
    const made = await attempt(["python3", "-m", "venv", folder], { timeoutSeconds: 120 });
    if (made.code !== 0)
      throw new UserError(
        `python3 -m venv failed: ${made.stderr || made.stdout}`,
        "apt-get install python3-venv.",
      );
    await command([`${folder}/bin/pip`, "install", "--quiet", ...pins], { timeoutSeconds: 600 });
    fs.writeFileSync(whole, "");
  }
  return path.join(folder, "bin");
}

/** Compiled modules are kept, as for anybody who uses these tools more than once. */
export const pythonEnv = { PYTHONDONTWRITEBYTECODE: undefined, PYTHONUNBUFFERED: undefined };
