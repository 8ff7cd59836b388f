/** The real OpenSSH client with a pull key: what its holder has, and nothing of our own ssh code. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { attempt, type CommandOptions, type Outcome } from "../../sandbox/command.ts";
import type { Host } from "../../sandbox/lab.ts";

type Env = Readonly<Record<string, string>>;

export interface Client {
  /** `ssh [OPTION...] LOGIN [COMMAND]`, its input at its end at once. */
  ssh(options: readonly string[], command?: string, more?: CommandOptions): Promise<Outcome>;
  /** As `ssh`, but its input stays open: borgctl takes the end of it for the end of the run. */
  begin(
    options: readonly string[],
    command?: string,
    env?: Env,
  ): { readonly child: ChildProcessWithoutNullStreams; readonly ended: Promise<Outcome> };
  /** By another program of OpenSSH's; LOGIN in the words is user and host. */
  copy(program: "sftp" | "scp", words: readonly string[], stdin?: string): Promise<Outcome>;
}

/** @param folder where the pinned host key may be written */
export function openssh(host: Host, keyFile: string, folder: string, user = "borgpull"): Client {
  const knownHosts = path.join(folder, `known_hosts.${host.name}`);
  fs.writeFileSync(knownHosts, host.hostKeys.map((key) => `${host.address} ${key}\n`).join(""));
  const settings = {
    UserKnownHostsFile: knownHosts,
    StrictHostKeyChecking: "yes",
    IdentitiesOnly: "yes",
    BatchMode: "yes",
    ConnectTimeout: "10",
  };
  const common = [
    ...["-F", "none", "-i", keyFile],
    ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
  ];
  const login = `${user}@${host.address}`;
  const ssh = (options: readonly string[], command?: string) => [
    ...common,
    ...options,
    login,
    ...(command === undefined ? [] : ["--", command]),
  ];
  return {
    ssh: (options, command, more = {}) =>
      attempt(["ssh", ...ssh(options, command)], { timeoutSeconds: 30, ...more }),
    begin: (options, command, env = {}) => {
      const child = spawn("ssh", ssh(options, command), { env: { ...process.env, ...env }, timeout: 60_000 });
      child.stdin.on("error", () => {});
      return { child, ended: collected(child) };
    },
    copy: (program, words, stdin = "") =>
      attempt([program, ...common, ...words.map((word) => word.replace("LOGIN", login))], {
        stdin,
        timeoutSeconds: 30,
      }),
  };
}

async function collected(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (piece: string) => {
      text[name] += piece;
    });
  }
  const [code, signal] = await once(child, "close");
  return { code, signal, ...text };
}
