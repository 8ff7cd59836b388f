/** What our `up` has put on the hosts, as the files that a person would give to another tool. */
import * as fs from "node:fs";
import * as path from "node:path";
import type { Host } from "../../sandbox/lab.ts";
import { vpsPaths } from "../../schema/paths.ts";

/** The same on all hosts. */
const common = {
  borgctl: "borgctl",
  helper: "helper",
  create: "create",
  commands: "commands",
  hash: "hash",
  relay: "relay",
  tmpfiles: "tmpfiles",
  sudoers: "sudoers",
  "drop-in": "dropIn",
} as const;

export interface Facts {
  readonly gecos: string;
  /** Lines of `sshd -T` for the account. */
  readonly effective: readonly string[];
  /** Host -> type and base64 of the key of its pulls. */
  readonly publicKeys: Readonly<Record<string, string>>;
}

/** Writes `files/` and `templates/` below the folder. Throws when the hosts differ by more than their name and key. */
export async function writeTexts(folder: string, hosts: readonly Host[]): Promise<Facts> {
  const paths = vpsPaths("borgpull");
  const [first] = hosts as [Host];
  for (const name of ["files", "templates"]) fs.mkdirSync(path.join(folder, name), { recursive: true });
  const read = (host: Host, file: string) => fs.readFileSync(path.join(host.root, file), "utf8");
  for (const [name, key] of Object.entries(common)) {
    fs.writeFileSync(path.join(folder, "files", name), read(first, paths[key]));
  }
  const keyOf = (host: Host) => /ssh-ed25519 [\w+/]+=*/.exec(read(host, paths.authorizedKeys))?.[0] ?? "";
  const own = (host: Host) => ({
    patterns: read(host, `${paths.jobs}/${host.name}.patterns`),
    conf: read(host, `${paths.jobs}/${host.name}.conf`),
    authorized_keys: read(host, paths.authorizedKeys),
  });
  const templates = Object.entries(own(first)).map(([name, text]) => {
    if (/\{[{%#]/.test(text)) throw new Error(`${name} holds what a template would take for its own.`);
    const template = text
      .replaceAll(keyOf(first), "{{ public_key }}")
      .replaceAll(first.name, "{{ inventory_hostname }}");
    fs.writeFileSync(path.join(folder, "templates", `${name}.j2`), template);
    return [name, template] as const;
  });
  for (const host of hosts) {
    const texts: Readonly<Record<string, string>> = own(host);
    for (const [name, template] of templates) {
      const rendered = template
        .replaceAll("{{ public_key }}", keyOf(host))
        .replaceAll("{{ inventory_hostname }}", host.name);
      if (rendered !== texts[name]) throw new Error(`${name} of ${host.name} is of another form.`);
    }
  }
  return {
    gecos: (await first.run("getent passwd borgpull | cut -d: -f5")).trim(),
    effective: await effectiveSettings(first),
    publicKeys: Object.fromEntries(hosts.map((host) => [host.name, keyOf(host)])),
  };
}

/** Those lines of `sshd -T` that the drop-in names. */
async function effectiveSettings(host: Host): Promise<readonly string[]> {
  const paths = vpsPaths("borgpull");
  const seen = "user=borgpull,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22";
  const dropIn = fs.readFileSync(path.join(host.root, paths.dropIn), "utf8");
  const keywords = new Set([...dropIn.matchAll(/^ {4}(\w+) /gm)].map(([, word]) => word?.toLowerCase()));
  const lines = (await host.run(`sshd -T -C ${seen}`)).split("\n");
  return lines.filter((line) => keywords.has(line.split(" ")[0]));
}

/** Everything that the tools keep on a host, as one text: kind, mode, owner and content of each file, the account, sshd's settings. */
export async function condition(host: Host): Promise<string> {
  const paths = vpsPaths("borgpull");
  const folders = [paths.home, paths.run, paths.libexec, path.dirname(paths.jobs), paths.jobs];
  const files = [
    ...Object.values(common).map((key) => paths[key]),
    `${paths.jobs}/${host.name}.patterns`,
    `${paths.jobs}/${host.name}.conf`,
    paths.authorizedKeys,
    paths.lock,
  ];
  const script = `stat -c '%F %a %U %G %n' -- ${[...folders, ...files].join(" ")}
sha256sum -- ${files.join(" ")}
getent passwd borgpull | cut -d: -f1,5-; getent shadow borgpull | cut -d: -f2; id -Gn borgpull`;
  return `${await host.run(script)}${(await effectiveSettings(host)).join("\n")}`;
}
