/** What the VPS does by itself: borg without a network, which nothing can be faster than, and plain push over ssh. */
import type { Host } from "../../sandbox/lab.ts";
import { passphrase, put } from "../../test/e2e/pull-fixture.ts";
import { openFarLink } from "../far-links.ts";
import { type Contender, cpuSecondsOf, type Sample, timedOn } from "./sample.ts";

/** As the helper runs borg: the same user, rights and arguments. */
const asBorg = `setpriv --reuid borgpull --regid $(id -g borgpull) --clear-groups --inh-caps=-all,+dac_read_search \
  --bounding-set=-all,+dac_read_search --ambient-caps=-all,+dac_read_search --no-new-privs --`;

interface Way {
  /** Its folder below /srv, for the repository of a floor, and for borg's caches. */
  readonly name: string;
  readonly repository: string;
  readonly rsh?: string;
}

/** borg in the environment that a pull gives it. */
const borg = ({ name, rsh }: Way, words: string): string => `
${asBorg} env -i PATH=/usr/bin:/bin LANG=C.UTF-8 TZ=UTC HOME=/srv/${name}/home BORG_EXIT_CODES=modern BORG_PASSPHRASE_FD=3 \
  ${rsh === undefined ? "" : `BORG_RSH="${rsh}"`} borg --log-json --lock-wait 60 ${words} 3</srv/passphrase </dev/null`;

const create = (way: Way, { roots = "/srv/data", compression, chunker }: ByVpsOptions): string =>
  borg(
    way,
    `create --progress --json --checkpoint-interval 300 --compression ${compression} --one-file-system \
     ${chunker === undefined ? "" : `--chunker-params ${chunker}`} ${way.repository}::$(date +%s%N) ${roots}`,
  );

/** The newest archive, into a folder that is empty. */
const extract = (way: Way): string => `
rm -rf /srv/restored && install -d -o borgpull /srv/restored && cd /srv/restored
archive=$(${borg(way, `list --short --last 1 ${way.repository}`)})
${borg(way, `extract --progress ${way.repository}::$archive`)}`;

/** It can get back what it has backed up. */
export interface Extracting {
  extract(): Promise<Sample>;
}

export interface ByVpsOptions {
  readonly compression: string;
  /** @default "/srv/data" */
  readonly roots?: string;
  /** @default borg's own */
  readonly chunker?: string;
}

/** The passphrase, and a folder for each. Needs the account of `furnishOurs`. */
export async function furnishByVps(host: Host): Promise<void> {
  await put(host, "/srv/passphrase", "600", `${passphrase}\n`);
  for (const name of ["served", "local", "push"]) {
    await host.run(`mkdir -p /srv/${name}/home && chown -R borgpull: /srv/${name}`);
  }
  await init(host, { name: "served", repository: "/srv/served/unused" });
  await init(host, { name: "local", repository: "/srv/local/unused" });
}

const init = (host: Host, way: Way) =>
  timedOn(host, borg(way, `init --encryption repokey-blake2 ${way.repository}`));

/**
 * The same borg and no network: "served" speaks to a `borg serve` over a pipe, as every borg with a repository elsewhere does; "local"
 * writes to the repository itself.
 */
export function floor(host: Host, kind: "served" | "local", options: ByVpsOptions): Contender & Extracting {
  const folder = `/srv/${kind}`;
  const serve = "exec borg serve --append-only --restrict-to-repository";
  const way: Way = {
    name: kind,
    repository: kind === "local" ? `${folder}/repository` : `ssh://nowhere${folder}/repository`,
    ...(kind === "local" ? {} : { rsh: `sh -c '${serve} ${folder}/repository --umask=077'` }),
  };
  return {
    name: kind === "served" ? "floor" : "floor, local",
    fresh: async () => {
      await host.run(`rm -rf ${folder}/repository ${folder}/home/.cache ${folder}/home/.config
                      cp -a ${folder}/unused ${folder}/repository`);
    },
    backUp: () => timed(host, create(way, options)),
    extract: () => timed(host, extract(way)),
  };
}

async function timed(host: Host, script: string): Promise<Pick<Sample, "seconds" | "vpsCpuSeconds">> {
  const before = await cpuSecondsOf(host);
  const seconds = await timedOn(host, script);
  return { seconds, vpsCpuSeconds: (await cpuSecondsOf(host)) - before };
}

/** A second host is home: there the VPS logs in with a key of its own. */
export async function furnishPush(host: Host, home: Host): Promise<void> {
  await host.run("ssh-keygen -q -t ed25519 -N '' -f /srv/push/key && chown borgpull: /srv/push/key");
  const key = await host.run("cat /srv/push/key.pub");
  await home.run("cat >> /root/.ssh/authorized_keys", { stdin: key });
  await put(home, "/srv/passphrase", "600", `${passphrase}\n`);
  await home.run("BORG_PASSPHRASE_FD=3 borg init --encryption repokey-blake2 /srv/unused 3</srv/passphrase");
}

/**
 * @param gateway this machine's address in the lab, where the link is
 * @param latency milliseconds
 */
export async function push(
  hosts: { readonly host: Host; readonly home: Host; readonly gateway: string },
  latency: number,
  options: ByVpsOptions,
): Promise<Contender & Extracting & AsyncDisposable> {
  const { host, home, gateway } = hosts;
  const link = await openFarLink(home.address, latency, gateway);
  const known = home.hostKeys.map((key) => `[${gateway}]:${link.port} ${key}\n`).join("");
  await put(host, "/srv/push/known_hosts", "644", known);
  const way: Way = {
    name: "push",
    repository: "ssh://root@home/srv/repository",
    rsh: `ssh -F none -i /srv/push/key -o HostName=${gateway} -o HostKeyAlias=[${gateway}]:${link.port} -o Port=${link.port} -o UserKnownHostsFile=/srv/push/known_hosts -o BatchMode=yes`,
  };
  const overLink = async (script: string): Promise<Sample> => {
    const before = await cpuSecondsOf(home);
    await link.bytes();
    const sample = await timed(host, script);
    const { sent, received } = await link.bytes();
    return {
      ...sample,
      homeCpuSeconds: (await cpuSecondsOf(home)) - before,
      toVps: received,
      fromVps: sent,
    };
  };
  return {
    name: "push",
    fresh: async () => {
      await host.run("rm -rf /srv/push/home/.cache /srv/push/home/.config");
      await home.run("rm -rf /srv/repository && cp -a /srv/unused /srv/repository");
    },
    backUp: () => overLink(create(way, options)),
    extract: () => overLink(extract(way)),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}
