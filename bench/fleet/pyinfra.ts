import * as fs from "node:fs";
import * as path from "node:path";
import type { Setup } from "./ansible.ts";
import { type Command, type Contender, worked } from "./contender.ts";
import { writeKnownHosts } from "./machine.ts";
import { pythonEnv } from "./python.ts";

/** pyinfra as its documentation has it: an inventory with data, a deploy; all hosts at once is what it does by itself. */
function pyinfra({ folder, bin, places, facts }: Setup, words: readonly string[]): Contender["command"] {
  const { gecos, effective, publicKeys } = facts;
  const known = writeKnownHosts(folder, places);
  const all = places.map(({ name, target: { host, port, user, auth } }) => {
    const data = {
      ssh_hostname: host,
      ssh_port: port,
      ssh_user: user,
      ssh_key: auth,
      ssh_known_hosts_file: known,
      ssh_strict_host_key_checking: "yes",
      public_key: publicKeys[name],
    };
    return [name, data];
  });
  fs.writeFileSync(
    path.join(folder, "inventory.py"),
    `import json\n\nvps = ([tuple(host) for host in json.loads(${pythonString(all)})], json.loads(${pythonString({ gecos, effective })}))\n`,
  );
  fs.copyFileSync(path.join(import.meta.dirname, "deploy.py"), path.join(folder, "deploy.py"));
  return () => ({
    argv: [`${bin}/pyinfra`, "inventory.py", "deploy.py", ...words],
    cwd: folder,
    env: pythonEnv,
  });
}

/** JSON's strings are Python's, twice over. */
const pythonString = (data: unknown) => JSON.stringify(JSON.stringify(data));

export function pyinfraDry(setup: Setup): Contender {
  return {
    name: "pyinfra",
    what: "`pyinfra --dry --diff`",
    seesDrift: true,
    command: pyinfra(setup, ["--dry", "--diff"]),
    verdict: (ended) => {
      worked(ended);
      return proposed(ended.output) ? "changed" : "unchanged";
    },
  };
}

export const pyinfraApply = (setup: Setup): Command => pyinfra(setup, ["--yes"])();

/** Its table has a row an operation: what would change, and what would follow only from another change. */
function proposed(output: string): boolean {
  const [, table] = output.split("Detected changes:\n");
  const [head = "", ...rows] = (table?.split("\n\n")[0] ?? "").split("\n");
  const column = head.indexOf(" Change ") + 1;
  if (column === 0) throw new Error(`pyinfra printed no table:\n${output.slice(-4000)}`);
  return rows.some((row) => row[column] !== "-");
}
