import * as fs from "node:fs";
import * as path from "node:path";
import type { Command, Contender, Ended } from "./contender.ts";
import { type Place, writeSshConfig } from "./machine.ts";
import { pythonEnv } from "./python.ts";
import type { Facts } from "./texts.ts";

export interface Setup {
  /** With `files/` and `templates/`. */
  readonly folder: string;
  /** Of the pinned Python tools. */
  readonly bin: string;
  readonly places: readonly Place[];
  readonly facts: Facts;
}

/**
 * ansible-playbook as its documentation has it for many hosts: pipelining, a fork a host, one shared connection a host, which begins with the run;
 * the hosts' Python is named, so that nothing looks for one.
 */
function playbook({ folder, bin, places, facts }: Setup, words: readonly string[]): Contender["command"] {
  const { gecos, effective, publicKeys } = facts;
  const hosts = Object.fromEntries(places.map(({ name }) => [name, { public_key: publicKeys[name] }]));
  const vars = { gecos, effective, ansible_python_interpreter: "/usr/bin/python3" };
  const inventory = path.join(folder, "inventory.json");
  fs.writeFileSync(inventory, JSON.stringify({ all: { hosts, vars } }, null, 2));
  const config = writeSshConfig(folder, places);
  fs.copyFileSync(path.join(import.meta.dirname, "playbook.yml"), path.join(folder, "playbook.yml"));
  return () => ({
    argv: [`${bin}/ansible-playbook`, "-i", inventory, "playbook.yml", ...words],
    cwd: folder,
    env: {
      ...pythonEnv,
      ANSIBLE_HOME: path.join(folder, "ansible"),
      ANSIBLE_PIPELINING: "True",
      ANSIBLE_FORKS: String(places.length),
      ANSIBLE_SSH_ARGS: `-F ${config} -C -o ControlMaster=auto -o ControlPersist=60s`,
      // a folder of its own for each run: nobody finds a connection that is open already
      ANSIBLE_SSH_CONTROL_PATH_DIR: fs.mkdtempSync(path.join(folder, "c-")),
      ANSIBLE_NOCOLOR: "1",
    },
  });
}

/** The recap has one line a host. */
function recap({ code, output }: Ended): readonly string[] {
  const lines = output.match(/^\S+ +: ok=\d+ .*$/gm) ?? [];
  if (lines.length === 0) throw new Error(`ansible-playbook ended with ${code}:\n${output.slice(-4000)}`);
  return lines;
}

export function ansibleCheck(setup: Setup): Contender {
  return {
    name: "ansible",
    what: "`ansible-playbook --check --diff`, pipelining, forks = hosts",
    seesDrift: true,
    command: playbook(setup, ["--check", "--diff"]),
    verdict: (ended) =>
      recap(ended).every((line) => / changed=0 +unreachable=0 +failed=0 /.test(line))
        ? "unchanged"
        : "changed",
  };
}

export const ansibleApply = (setup: Setup): Command => playbook(setup, [])();
