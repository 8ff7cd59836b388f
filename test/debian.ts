import { execFileSync } from "node:child_process";
import { ensureBase } from "../sandbox/base.ts";

/** Not booted: a copy-on-write view of a real Debian in a mount namespace of its own, gone with the script. Needs root. */
export async function inDebian(base: "debian12" | "debian13", script: string): Promise<string> {
  const lower = await ensureBase(base);
  return execFileSync("unshare", ["--mount", "--propagation", "private", "sh", "-euc", enter, "sh", lower], {
    encoding: "utf8",
    input: script,
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 120_000,
  });
}

const enter = `
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay none -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
mount -t proc none /mnt/root/proc
mount --rbind /dev /mnt/root/dev
printf '127.0.0.1 localhost %s\\n' "$(uname -n)" >/mnt/root/etc/hosts
exec chroot /mnt/root /bin/sh -eu
`;

/** Why a test that needs root cannot run, or false. */
export const withoutRoot = process.getuid?.() === 0 ? false : "needs root for a mount namespace";
