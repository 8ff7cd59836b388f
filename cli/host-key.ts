import { execFile } from "node:child_process";
import * as crypto from "node:crypto";
import * as dns from "node:dns/promises";
import { once } from "node:events";
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

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Splits host, host:port and [address]:port; a bare IPv6 address has no port. */
export function parseAddress(text: string): Address {
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

async function scan({ host, port }: Address): Promise<readonly string[]> {
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
  if (keys.length === 0) throw noKey({ host, port }, await whatKeepsFrom({ host, port }));
  return keys;
}

const patienceSeconds = 5;

/** ssh-keyscan is silent about it: tries the same by hand. @returns the system's code, undefined where somebody answers */
export async function whatKeepsFrom({ host, port }: Address): Promise<string | undefined> {
  try {
    const { address } = await dns.lookup(host);
    const socket = net.connect({ host: address, port });
    using _closed = { [Symbol.dispose]: () => socket.destroy() };
    await once(socket, "connect", { signal: AbortSignal.timeout(patienceSeconds * 1000) });
    return undefined;
  } catch (error) {
    const { name, code } = error as NodeJS.ErrnoException;
    return name === "AbortError" ? "ETIMEDOUT" : String(code);
  }
}

/** @param code as `whatKeepsFrom` */
export function noKey({ host, port }: Address, code: string | undefined): UserError {
  switch (code) {
    case undefined:
      return new UserError(
        `Port ${port} of ${host} is open, but shows no host key.`,
        "Check that it is sshd's, and that its firewall lets this machine in.",
      );
    case "ENOTFOUND":
      return new UserError(`The name ${host} does not resolve to an address.`, "Check how it is written.");
    case "EAI_AGAIN":
      return new UserError(
        `The name ${host} does not resolve: no name server answers.`,
        "Check this machine's network, or give the address.",
      );
    case "ECONNREFUSED":
      return new UserError(
        `${host} refuses connections to port ${port}.`,
        "Check the port, and that sshd runs there.",
      );
    case "ETIMEDOUT":
      return new UserError(
        `${host} does not answer on port ${port}.`,
        "Check that it is up, the address, and its firewall.",
      );
    default:
      return new UserError(
        `${host} port ${port} cannot be reached (${code}).`,
        "Check the address, and this machine's network.",
      );
  }
}
