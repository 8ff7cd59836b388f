/** `npm run sandbox`: throwaway VPSes by hand. Those of the demo are in the same lab. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import { Argument, Command, Option } from "commander";
import { describe, UserError } from "../schema/errors.ts";
import { endpoint } from "../schema/target.ts";
import { findLab, findLabs, type Host, type HostSpec, openLab } from "./lab.ts";
import { type Base, bases } from "./recipe.ts";
import { requireRoot } from "./root.ts";

/** The two that the demo has as well. */
const usual: readonly HostSpec[] = [
  { name: "web1", base: "debian12", login: "root" },
  { name: "db1", base: "debian13", login: "admin" },
];

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function up(names: readonly string[], options: { lab: string; base: Base; login: "root" | "admin" }) {
  const { base, login } = options;
  const specs = names.length === 0 ? usual : names.map((name) => ({ name, base, login }));
  const lab = await openLab({ name: options.lab, keep: true, say });
  await Promise.all(specs.map((spec) => lab.boot(spec)));
  await list();
}

async function down(names: readonly string[], options: { lab: string; all?: true }) {
  requireRoot();
  if (options.all) {
    for (const { record, lab } of await findLabs()) {
      if (record.owner === null) await lab.remove();
      else say(`The lab ${record.name} is left alone: process ${record.owner.pid} uses it.`);
    }
    return;
  }
  if (names.length === 0) {
    await (await findLab(options.lab))?.remove();
    return;
  }
  for (const name of names) await (await hostNamed(options.lab, name)).remove();
}

async function list(): Promise<void> {
  requireRoot();
  const rows = await Promise.all(
    (await findLabs()).map(async ({ record, lab }) =>
      (await lab.hosts()).map((host) => [
        record.name,
        host.name,
        host.base,
        `${host.login}@${host.address}`,
        host.running ? "up" : "down",
        record.checkout,
      ]),
    ),
  );
  if (rows.flat().length === 0) return say("No host is there. Boot two: npm run sandbox -- up");
  printTable([["LAB", "HOST", "DEBIAN", "LOGIN", "STATE", "CHECKOUT"], ...rows.flat()]);
}

function printTable(rows: readonly (readonly string[])[]) {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  for (const row of rows) {
    const line = row.map((cell, column) => cell.padEnd(width(column))).join("  ");
    process.stdout.write(`${line.trimEnd()}\n`);
  }
}

async function ssh(name: string, words: readonly string[], options: { lab: string }) {
  const host = await hostNamed(options.lab, name);
  const target = host.target();
  const knownHosts = `${host.adminKeyFile}.${host.name}.known_hosts`;
  await fs.writeFile(knownHosts, target.hostKeys.map((key) => `${endpoint(target)} ${key}\n`).join(""));
  const settings = [`UserKnownHostsFile=${knownHosts}`, "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"];
  const args = [
    ...["-F", "none", "-i", host.adminKeyFile],
    ...settings.flatMap((setting) => ["-o", setting]),
    ...["-l", target.user, target.host, ...words],
  ];
  const [code] = await once(spawn("ssh", args, { stdio: "inherit" }), "exit");
  process.exitCode = code ?? 255;
}

async function hostNamed(lab: string, name: string): Promise<Host> {
  const hosts = (await (await findLab(lab))?.hosts()) ?? [];
  const host = hosts.find((candidate) => candidate.name === name);
  if (host) return host;
  const there = hosts.map((candidate) => candidate.name).join(", ") || "none";
  throw new UserError(
    `The lab ${lab} of this checkout has no host ${name} (there: ${there}).`,
    `Boot it: npm run sandbox -- up ${name}`,
  );
}

const inLab = () => new Option("--lab <name>", "the lab, one network of hosts").default("demo");

const program = new Command("sandbox")
  .description("Throwaway VPSes: real Debian, booted, in a network of their own")
  .enablePositionalOptions();
program
  .command("up")
  .description("boot hosts; without names web1 (Debian 12, root) and db1 (Debian 13, admin with sudo)")
  .argument("[names...]")
  .addOption(inLab())
  .addOption(new Option("--base <debian>", "for the names given").choices(bases).default("debian12"))
  .addOption(new Option("--login <user>", "for the names given").choices(["root", "admin"]).default("root"))
  .action(up);
program
  .command("down")
  .description("remove hosts and all that is on them; without names the whole lab")
  .argument("[names...]")
  .addOption(inLab())
  .option("--all", "the labs of every checkout on this machine")
  .action(down);
program.command("list").description("the hosts that are there").action(list);
program
  .command("ssh")
  .description("log in, or run a command")
  .argument("<name>")
  .addArgument(new Argument("[command...]"))
  .addOption(inLab())
  .passThroughOptions()
  .action(ssh);

try {
  await program.parseAsync();
} catch (error) {
  say(describe(error));
  process.exitCode = 1;
}
