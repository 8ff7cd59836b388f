/**
 * Makes the pictures of README.md anew, from real output: `node_modules/.bin/node docs/pictures/make.ts` while the demo of
 * `npm start` runs. Needs tmux, which is the terminal.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { stripVTControlCharacters as bare, promisify } from "node:util";
import { openStack, pulumi, type Stack } from "../../sandbox/demo/stack.ts";
import { findLab, type Host } from "../../sandbox/lab.ts";
import { UserError } from "../../schema/errors.ts";
import { svg } from "./terminal.ts";

const run = promisify(execFile);
const checkout = path.resolve(import.meta.dirname, "../..");
const columns = 134;
const longestSeconds = 120;

/** Runs a command line in a terminal of its own and gives what is shown, again and again, until it ends. */
async function* watch(stack: Stack, command: string): AsyncGenerator<readonly string[]> {
  const socket = `borgpull-pictures-${randomUUID()}`;
  const tmux = (...args: string[]) =>
    run("tmux", ["-f", "/dev/null", "-L", socket, ...args], { timeout: 10_000 });
  const script = `. ${stack.envFile}; cd ${checkout}; ${command}; tmux wait-for -S over; read -r _`;
  await tmux("new-session", "-d", "-x", String(columns), "-y", "120", "sh", "-c", script);
  try {
    const limit = AbortSignal.timeout(longestSeconds * 1000);
    const ending = run("tmux", ["-L", socket, "wait-for", "over"], { signal: limit }).then(() => true);
    for (let over = false; !over; ) {
      over = await Promise.race([ending, wait(60, false)]);
      const { stdout } = await tmux("capture-pane", "-e", "-p");
      yield stdout.split("\n");
    }
  } finally {
    await tmux("kill-server");
  }
}

/** What stands between two lines, the first of them included. */
function between(lines: readonly string[], first: RegExp, end: RegExp): readonly string[] {
  const start = lines.findIndex((line) => first.test(bare(line)));
  const rest = lines.slice(start);
  const length = rest.findIndex((line, index) => index > 0 && end.test(bare(line)));
  if (start < 0 || length < 0) throw new Error(`no ${first} or no ${end} in:\n${lines.map(bare).join("\n")}`);
  return rest.slice(0, length);
}

const prompt = (command: string): string => `\x1b[38;5;2m$\x1b[0m \x1b[1m${command}\x1b[0m`;
const cut = "\x1b[38;5;8m  ...\x1b[0m";

/** Somebody has changed sshd's settings by hand: what `pulumi up` would put right. */
async function drift(stack: Stack, web1: Host): Promise<void> {
  await web1.run("sed -i 's/PermitTTY no/PermitTTY yes/' /etc/ssh/sshd_config.d/60-borgpull.conf");
  let last: readonly string[] = [];
  for await (const lines of watch(stack, "BORGPULL_PULL=never pulumi preview --diff --stack demo"))
    last = lines;
  const diff = between(last, /^ {2}pulumi:pulumi:Stack: \(same\)/, /unchanged/);
  const counted = last.filter((line) => /^ +\d+ unchanged/.test(bare(line))).slice(0, 1);
  const lines = [prompt("pulumi preview --diff"), cut, ...diff, ...counted];
  await write(
    "drift.svg",
    lines,
    "pulumi preview shows that PermitTTY was changed on web1, and that up sets it back",
  );
}

/** Its row is then that of a first `up`, with the figures near the left; the repository and its records stay. */
async function forgetPull(stack: Stack, { name }: Host): Promise<void> {
  const urn = `urn:pulumi:demo::borgpull::borgpull:index:PullJob$borgpull:index:Pull::${name}-pull`;
  await once(pulumi(stack, ["state", "delete", "--yes", urn]), "close");
}

/** The moment in which both pulls are furthest. */
async function progress(stack: Stack, hosts: readonly Host[]): Promise<void> {
  await Promise.all(
    hosts.map((host) =>
      host.run("head -c 400000000 /dev/urandom > /srv/site/media/new.bin", { timeoutSeconds: 60 }),
    ),
  );
  for (const host of hosts) await forgetPull(stack, host);
  let best: { readonly lines: readonly string[]; readonly pulling: number } = { lines: [], pulling: 0 };
  const command = "BORGPULL_PULL=all pulumi up --yes --skip-preview --stack demo";
  for await (const lines of watch(stack, command)) {
    const pulling = lines.filter((line) => /-pull +creating.*MB new/.test(bare(line))).length;
    if (pulling > 0 && pulling >= best.pulling) best = { lines, pulling };
  }
  if (best.pulling < hosts.length) throw new Error("the pulls were not seen at once; try again");
  await write(
    "progress.svg",
    [prompt("pulumi up"), ...withoutVpses(best.lines)],
    "pulumi up while both pulls run: files, bytes read and bytes new of each",
  );
}

/** The tree without what belongs to the VPSes, where nothing happens during a pull. */
function withoutVpses(lines: readonly string[]): readonly string[] {
  let shown = true;
  return lines.flatMap((line) => {
    if (bare(line).trim() === "") return [];
    const group = /borgpull:index:(Vps|PullJob|Home) /.exec(bare(line))?.[1];
    const before = shown;
    if (group) shown = group !== "Vps";
    return shown ? [line] : before ? [cut] : [];
  });
}

async function write(name: string, lines: readonly string[], alt: string): Promise<void> {
  const file = path.join(import.meta.dirname, name);
  const widest = Math.max(...lines.map((line) => bare(line).trimEnd().length));
  await fs.writeFile(file, svg(lines, widest, alt));
  console.log(path.relative(process.cwd(), file));
}

const hosts = (await (await findLab("demo"))?.hosts()) ?? [];
const web1 = hosts.find(({ name }) => name === "web1");
if (!web1) throw new UserError("The demo does not run.", "Start it: npm start");
const stack = await openStack("demo", path.join(checkout, ".sandbox"));
await drift(stack, web1);
await progress(stack, hosts);
