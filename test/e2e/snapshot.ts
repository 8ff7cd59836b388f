/** All that borgpull could have changed on a VPS, one line a thing, to be compared over time. */
import type { Host } from "../../sandbox/lab.ts";

/** What a system writes by itself: logs, caches of itself, backups that passwd and its like make, and the state of what runs. */
const ownDoing = [
  "/etc/*-",
  "/var/log",
  "/var/cache",
  "/var/lib/systemd",
  "/var/lib/apt",
  "/var/lib/dpkg",
  "/var/tmp",
  "/run/systemd",
  "/run/udev",
  "/run/log",
  "/run/user",
  "/run/utmp",
  "/root/.bash_history",
];

/** Path -> type, mode, owner and content of every file, and `sshd -T`, units and processes by name of their own. */
export async function snapshot(host: Host): Promise<ReadonlyMap<string, string>> {
  const prune = ownDoing.map((path) => `-path '${path}'`).join(" -o ");
  const folders = "/etc /usr /var /run /home /root /opt /srv /boot /bin /sbin /lib /tmp /mnt /media";
  const text = await host.run(
    `export LC_ALL=C
    find ${folders} -xdev '(' ${prune} ')' -prune -o -printf '%p\\t%y %m %U:%G %l\\n'
    find ${folders} -xdev '(' ${prune} ')' -prune -o -type f -print0 | xargs -0 sha256sum | sed -E 's/^([0-9a-f]+)  (.*)$/sha256 \\2\\t\\1/'
    for user in root nobody borgpull; do sshd -T -C "user=$user,host=localhost,addr=127.0.0.1" | sed -E "s/^([^ ]+) (.*)$/sshd $user \\1 \\2\\t/"; done
    systemctl list-units --all --plain --no-legend '*borgpull*' | awk '{ print "unit " $1 "\\t" }'
    find / -xdev -name '*borgpull*' -not -path '/proc/*' -printf 'named %p\\t\\n'
    find /run /tmp -name '*borgpull*' -printf 'named %p\\t\\n'`,
    { timeoutSeconds: 120 },
  );
  return new Map(
    text
      .trimEnd()
      .split("\n")
      .map((line) => line.split("\t") as [string, string]),
  );
}

/** What is another or only in one of them, as `- before` and `+ after`. */
export function difference(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return paths
    .filter((path) => before.get(path) !== after.get(path))
    .flatMap((path) => [
      ...(before.has(path) ? [`- ${path} ${before.get(path)}`] : []),
      ...(after.has(path) ? [`+ ${path} ${after.get(path)}`] : []),
    ]);
}
