import { execFile } from "node:child_process";
import * as crypto from "node:crypto";
import * as net from "node:net";
import { promisify } from "node:util";
import { Command } from "commander";
import { UserError } from "../schema/errors.ts";
import { publicKey } from "../schema/names.ts";

/** `borgpull host-key ADDRESS[:PORT]`: the host keys that a machine shows, to be compared and pinned. */
export function hostKeyCommand(): Command {
  return new Command("host-key")
    .description("print the host keys that a machine shows, to be compared and put into hostKey")
    .argument("<address>", "host, host:port or [address]:port")
    .addHelpText(
      "after",
      "\nExamples:\n  borgpull host-key web1.example.com\n  borgpull host-key [2001:db8::1]:2222",
    )
    .action(async (address: string) => {
      const at = parseAddress(address);
      for (const key of await scan(at)) {
        console.log(key);
        console.error(`  ${fingerprint(key)}`);
      }
      console.error(
        `These came over the network, so anybody in between could have put in others: compare a fingerprint with the one that the machine itself shows (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) before you put its key into hostKey.`,
      );
    });
}

/** Splits host, host:port and [address]:port; a bare IPv6 address has no port. */
export function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const whole = net.isIPv6(text) ? [text] : undefined;
  const parts =
    whole ?? /^(?:\[([^\]]+)\]|([A-Za-z0-9][A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(text)?.slice(1) ?? [];
  const host = parts[0] ?? parts[1];
  const port = Number(parts[2] ?? 22);
  if (!host || (parts[0] && !net.isIP(host)) || port < 1 || port > 65535) {
    throw new UserError(`"${text}" is not an address.`, "Give host, host:port or [address]:port.");
  }
  return { host, port };
}

/** As `ssh-keygen -l` shows it: "SHA256:...". */
export function fingerprint(key: string): string {
  const [type, blob] = key.split(" ") as [string, string];
  const hash = crypto.createHash("sha256").update(Buffer.from(blob, "base64")).digest("base64");
  return `${type} SHA256:${hash.replace(/=+$/, "")}`;
}

async function scan({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)("ssh-keyscan", ["-T", "10", "-p", String(port), "--", host], {
    timeout: 60_000,
  }).catch((error: NodeJS.ErrnoException & { stdout?: string }) => {
    if (error.code === "ENOENT")
      throw new UserError("ssh-keyscan is not installed.", "apt install openssh-client");
    return { stdout: error.stdout ?? "" };
  });
  const keys = stdout
    .split("\n")
    .map((line) => line.split(" ").slice(1).join(" "))
    .filter((key) => publicKey.safeParse(key).success)
    .sort(
      (a, b) => Number(b.startsWith("ssh-ed25519")) - Number(a.startsWith("ssh-ed25519")) || (a < b ? -1 : 1),
    );
  if (keys.length === 0) {
    throw new UserError(
      `${host} port ${port} shows no host key.`,
      "Check that it is up, and address, port and firewall.",
    );
  }
  return keys;
}
