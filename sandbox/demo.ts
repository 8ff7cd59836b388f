/** `npm start` and `npm stop`: two throwaway VPSes, provisioned and backed up by a real `pulumi up`. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { styleText } from "node:util";
import { restoreFile } from "../pull/borg.ts";
import { openLedger, type RunRecord } from "../pull/ledger.ts";
import { bytes, count } from "../pull/quantities.ts";
import { describe, UserError } from "../schema/errors.ts";
import { homePaths } from "../schema/paths.ts";
import { openStack, pulumi, type Stack, writeConfig } from "./demo/stack.ts";
import { findLab, type Host, type HostSpec, openLab } from "./lab.ts";
import { requireRoot } from "./root.ts";

const checkout = path.resolve(import.meta.dirname, "..");
const folder = path.join(checkout, ".sandbox");
const specs: readonly HostSpec[] = [
  { name: "web1", base: "debian12", login: "root" },
  { name: "db1", base: "debian13", login: "admin" },
];
/** Something worth a backup, the same every time: 64 MB that do not compress, and a page to restore. */
const page = "/srv/site/index.html";
const furnish = `test -e ${page} || { mkdir -p /srv/site/media
python3 -c 'import random
for i in range(64): open(f"/srv/site/media/{i}.bin", "wb").write(random.Random(i).randbytes(1_000_000))'
printf '<h1>%s</h1>\\n' "$(hostname)" > ${page}; }`;

const say = (text = "") => void process.stdout.write(`${text}\n`);
const title = (text: string) => say(`\n${styleText("bold", text)}`);

async function start(): Promise<void> {
  title("1. Two VPSes");
  const lab = await openLab({ name: "demo", keep: true, say });
  const hosts = await Promise.all(specs.map((spec) => lab.boot(spec)));
  await Promise.all(hosts.map((host) => host.run(furnish, { timeoutSeconds: 120 })));
  for (const host of hosts) say(`   ${host.name}  ${host.base}  ${host.login}@${host.address}`);

  title("2. pulumi up");
  const stack = await openStack("demo", folder);
  process.env.BORGPULL_STATE = stack.env.BORGPULL_STATE; // borg's cache too stays in the demo's folder
  await writeConfig(stack, configOf(stack, hosts));
  await run(stack, ["stack", "select", "--create"], "pipe");
  await run(stack, ["up", "--yes", "--suppress-outputs"], "inherit");

  title("3. What is at home now");
  for (const host of hosts) await show(stack, host);
  next(stack);
}

const configOf = (stack: Stack, hosts: readonly Host[]) => ({
  repositories: stack.repositories,
  defaults: { staleAfter: "36h", keep: { daily: 7, weekly: 4, monthly: 12 } },
  hosts: Object.fromEntries(
    hosts.map((host) => [
      host.name,
      {
        address: host.address,
        user: host.target().user,
        hostKey: host.hostKeys[0],
        identity: host.adminKeyFile,
        paths: ["/etc", "/home", "/srv"],
        exclude: ["*.tmp"],
      },
    ]),
  ),
});

async function run(stack: Stack, args: readonly string[], stdio: "inherit" | "pipe"): Promise<void> {
  const child = pulumi(stack, args, { stdio });
  let said = "";
  child.stderr?.on("data", (text) => {
    said += text;
  });
  const [code] = await once(child, "close");
  if (code === 0) return;
  throw new UserError(
    `pulumi ${args[0]} ended with ${code}. ${said}`.trim(),
    "Look above for what it says, and run `npm start` again.",
  );
}

/** A host's last archive, and one file of it compared with the living one. */
async function show(stack: Stack, host: Host): Promise<void> {
  const home = homePaths({ ...stack.env });
  using ledger = openLedger(home.stateDb);
  const last = ledger.lastGood(host.name);
  if (!last?.archive) throw new UserError(`There is no backup of ${host.name}.`, "Run `npm start` again.");
  const to = await fs.mkdtemp(path.join(folder, "restored-"));
  const restored = await restoreFile({
    repository: path.join(stack.repositories, host.name),
    passphraseFile: home.passphrase(host.name),
    archive: last.archive.name,
    path: page,
    to,
  });
  const [here, there] = await Promise.all([
    fs.readFile(restored).then((content) => createHash("sha256").update(content).digest("hex")),
    host.run(`sha256sum ${page} | cut -d' ' -f1`).then((text) => text.trim()),
  ]);
  await fs.rm(to, { recursive: true });
  if (here !== there)
    throw new UserError(`${page} of ${host.name} differs from its backup.`, "Please report this.");
  say(`   ${styleText("bold", host.name)}  ${last.archive.name}`);
  say(`         ${figures(last)}`);
  say(`         ${page} restored: the same as on ${host.name} (sha256 ${here.slice(0, 16)}...)`);
}

function figures({ figures: known, outcome }: RunRecord): string {
  if (!known) return `${outcome}`;
  const { files, originalBytes, newBytes, seconds } = known;
  return `${outcome}: ${count(files)} files, ${bytes(originalBytes)}, ${bytes(newBytes)} new in the repository, ${seconds.toFixed(1)} s`;
}

function next(stack: Stack): void {
  const web1 = specs[0]?.name;
  title("Three things to try");
  say(`First:          . ${path.relative(process.cwd(), stack.envFile) || stack.envFile}`);
  say(
    `Cause drift:    npm run sandbox -- ssh ${web1} "sed -i 's/PermitTTY no/PermitTTY yes/' /etc/ssh/sshd_config.d/60-borgpull.conf"`,
  );
  say("See it:         pulumi preview --diff --stack demo      (and mend it: pulumi up --stack demo)");
  say(`Pull again:     BORGPULL_PULL=${web1} pulumi up --yes --stack demo`);
  say("\nRemove all of it: npm stop");
}

/** The sandbox and everything of the demo, its throwaway repositories too. */
async function stop(): Promise<void> {
  await (await findLab("demo"))?.remove();
  await fs.rm(folder, { recursive: true, force: true });
  await fs.rm(path.join(checkout, "Pulumi.demo.yaml"), { force: true });
  say("The two VPSes, the stack and its throwaway repositories are removed.");
}

try {
  requireRoot();
  await (process.argv[2] === "stop" ? stop() : start());
} catch (error) {
  process.stderr.write(`${styleText("red", "error")}: ${describe(error)}\n`);
  process.exitCode = 1;
}
