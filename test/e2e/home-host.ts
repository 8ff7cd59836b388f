/** A booted host as home: the checkout in /opt/borgpull, `pulumi` run in it by its root, its own systemd with the timers. */
import * as fs from "node:fs";
import * as path from "node:path";
import { type Host, type HostSpec, type Lab, openLab } from "../../sandbox/lab.ts";
import { engineFolder } from "../../tools/engine.ts";

const checkout = path.resolve(import.meta.dirname, "../..");
/** What of the checkout `pulumi up` and its timers need; node_modules is shown inside as it is. */
const parts = [
  ...["cli", "components", "config", "provider", "pull", "remote", "report", "schema", "templates"],
  ...["tools/program.mjs", "config.ts", "index.ts", "known-hosts.ts", "package.json", "Pulumi.yaml"],
];

export interface HomeHost extends AsyncDisposable {
  readonly lab: Lab;
  readonly home: Host;
  readonly vps: Host;
  /** The VPS's entry for the config; `extra` goes over it. */
  entry(extra: Readonly<Record<string, unknown>>): Record<string, unknown>;
  configure(hosts: Readonly<Record<string, unknown>>): void;
  /** Runs a script at home, with `pulumi` and `borgpull` at hand; what it writes, both streams. Throws when it fails. */
  run(script: string): Promise<string>;
  up(): Promise<string>;
  /** `pulumi preview --diff`, with no pull. */
  preview(): Promise<string>;
  /** Changes a file of the checkout in the manner of `git pull`: another file under its name. */
  edit(file: string, text: string): void;
  read(file: string): string;
}

/** Boots both; everything of them goes with `await using`. */
export async function openHomeHost(specs: { readonly home: HostSpec["base"] }): Promise<HomeHost> {
  const lab = await openLab();
  const [home, vps] = await Promise.all([
    lab.boot({
      name: "home",
      base: specs.home,
      login: "root",
      binds: [
        { from: path.join(checkout, "node_modules"), to: "/opt/borgpull/node_modules", readOnly: true },
        { from: fs.realpathSync(engineFolder), to: "/opt/pulumi", readOnly: true },
      ],
    }),
    lab.boot({ name: "web1", base: "debian13", login: "root" }),
  ]);
  const inside = (file: string) => path.join(home.root, "opt/borgpull", file);
  for (const part of parts) {
    if (fs.existsSync(path.join(checkout, part)))
      fs.cpSync(path.join(checkout, part), inside(part), { recursive: true });
  }
  fs.cpSync(lab.adminKeyFile, path.join(home.root, "root/.ssh/id_ed25519"));
  await home.run("mkdir -p /root/pulumi /srv/backup");
  const env = [
    "export PATH=/opt/pulumi:/opt/borgpull/node_modules/.bin:/opt/borgpull/cli:$PATH",
    "export PULUMI_BACKEND_URL=file:///root/pulumi PULUMI_CONFIG_PASSPHRASE= PULUMI_SKIP_UPDATE_CHECK=true",
    "export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true PULUMI_STACK=prod",
    "cd /opt/borgpull",
  ].join("\n");
  const run = (script: string) => home.run(`${env}\n{\n${script}\n} 2>&1`, { timeoutSeconds: 300 });
  await run("pulumi stack init prod --non-interactive");
  return {
    lab,
    home,
    vps,
    entry: (extra) => ({ address: vps.address, hostKey: vps.hostKeys[0], paths: ["/etc"], ...extra }),
    configure: (hosts) => {
      const file = inside("Pulumi.prod.yaml");
      const salt = fs.existsSync(file)
        ? (/^encryptionsalt: .*\n/m.exec(fs.readFileSync(file, "utf8"))?.[0] ?? "")
        : "";
      const config = { "borgpull:repositories": "/srv/backup", "borgpull:hosts": hosts };
      fs.writeFileSync(file, `${salt}config: ${JSON.stringify(config)}\n`);
    },
    run,
    up: () => run("pulumi up --yes --skip-preview --non-interactive --color=never"),
    preview: () =>
      run("BORGPULL_PULL=never pulumi preview --diff --show-full-output --non-interactive --color=never"),
    edit: (file, text) => {
      const target = inside(file);
      fs.writeFileSync(`${target}.new`, text, { mode: fs.statSync(target).mode });
      fs.renameSync(`${target}.new`, target);
    },
    read: (file) => fs.readFileSync(inside(file), "utf8"),
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}
