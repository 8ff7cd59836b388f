/** Debian packages for a sandbox host, which reaches no mirror itself: fetched here once, with all that its base lacks, and shown inside. */
import { existsSync, readFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { ensureBase } from "../../sandbox/base.ts";
import { command } from "../../sandbox/command.ts";
import type { Host } from "../../sandbox/lab.ts";
import { withLock } from "../../sandbox/lock.ts";
import type { Base } from "../../sandbox/recipe.ts";
import { cacheRoot } from "../../sandbox/state.ts";

const inside = "/var/cache/packages-of-the-test";

/** The Debian that this machine has: apt takes the packages of its own suite. */
export function ownBase(): Base {
  const version = /^VERSION_ID="?(\d+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  return version === "13" ? "debian13" : "debian12";
}

/** For `binds` of a host of `ownBase()`. */
export async function packagesFor(...names: readonly string[]) {
  const lower = await ensureBase(ownBase());
  const folder = path.join(cacheRoot(), `${path.basename(lower)}-${names.join("-")}`);
  await withLock(
    `${folder}.lock`,
    async () => {
      if (existsSync(folder)) return;
      const unfinished = `${folder}.unfinished`;
      await fs.mkdir(path.join(unfinished, "partial"), { recursive: true });
      const settings = {
        "Dir::State::status": path.join(lower, "var/lib/dpkg/status"),
        "Dir::Cache::archives": unfinished,
        "Debug::NoLocking": "1",
      };
      await command(
        [
          "apt-get",
          "install",
          ...["--download-only", "--yes", "--no-install-recommends"],
          ...Object.entries(settings).map(([name, value]) => `--option=${name}=${value}`),
          ...names,
        ],
        { timeoutSeconds: 600 },
      );
      await fs.rename(unfinished, folder);
    },
    900,
  );
  return [{ from: folder, to: inside, readOnly: true }];
}

export const install = (host: Host): Promise<string> =>
  host.run(
    `DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io --install ${inside}/*.deb >/var/log/install 2>&1 || { tail /var/log/install >&2; false; }`,
    {
      timeoutSeconds: 300,
    },
  );
