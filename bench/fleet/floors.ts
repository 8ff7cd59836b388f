/** What nobody can be faster than: to log in everywhere, and to read the same facts over one connection each. */
import * as fs from "node:fs";
import * as path from "node:path";
import { type Contender, worked } from "./contender.ts";
import { type Place, writeSshConfig } from "./machine.ts";
import type { Reading } from "./recorded.ts";

/** OpenSSH's client, one a host, all at once. */
export function sshTrue(folder: string, places: readonly Place[]): Contender {
  const config = writeSshConfig(folder, places);
  const names = path.join(folder, "names");
  fs.writeFileSync(names, places.map(({ name }) => `${name}\n`).join(""));
  const each = ["-n", "1", "ssh", "-n", "-F", config, "-o", "BatchMode=yes"];
  return {
    name: "ssh",
    what: "`xargs -P N ssh HOST true`",
    seesDrift: false,
    command: () => ({
      argv: ["xargs", "-a", names, "-P", String(places.length), "-I", "{}", ...each.slice(2), "{}", "true"],
      cwd: folder,
    }),
    verdict: worked,
  };
}

/** One node process: connects to all hosts at once and runs on each what a preview asks of it, as one script. */
export function ssh2Facts(folder: string, readings: readonly Reading[]): Contender {
  const file = path.join(folder, "readings.json");
  fs.writeFileSync(file, JSON.stringify(readings));
  return {
    name: "ssh2",
    what: `one node process with ssh2: ${readings[0]?.facts} questions to each host in one script`,
    seesDrift: false,
    command: () => ({
      argv: [process.execPath, path.join(import.meta.dirname, "floor.ts"), file],
      cwd: folder,
    }),
    verdict: worked,
  };
}
