/** The hostile side: hostile.py in place of borgctl, or at home past the filter of requests. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { borgEnvironment } from "../../pull/borg.ts";
import { command } from "../../sandbox/command.ts";
import type { Host } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { passphrase } from "../e2e/pull-fixture.ts";
import { paths } from "./furnished.ts";

/** What a job's runs meet instead of borgctl, Python on top of hostile.py; undefined: borgctl again. */
export async function hostileScript(host: Host, job: string, python: string | undefined): Promise<void> {
  const script = `/srv/hostile/${job}`;
  if (python === undefined) return void (await host.run(`rm -f ${script}`));
  const begin = '#!/usr/bin/python3\nimport sys; sys.path.insert(0, "/srv/hostile")\nfrom hostile import *\n';
  await host.run(`cat > ${script}.new && chmod 755 ${script}.new && mv ${script}.new ${script}`, {
    stdin: `${begin}${python}\n`,
  });
}

/** Puts itself in borgctl's place. */
export async function takeOver(host: Host): Promise<void> {
  await host.run(
    `mkdir -p /srv/hostile; mv ${paths.borgctl} ${paths.borgctl}.real; cat > ${paths.borgctl}; chmod 755 ${paths.borgctl}`,
    {
      stdin: `#!/bin/sh
# The real one executes itself anew, with "scrubbed" behind the job's name.
[ "\${2-}" = scrubbed ] || [ ! -x "/srv/hostile/$1" ] || exec "/srv/hostile/$1" "$1"
exec ${paths.borgctl}.real "$@"
`,
    },
  );
  await host.run("cat > /srv/hostile/hostile.py", {
    stdin: fs.readFileSync(new URL("./hostile.py", import.meta.url), "utf8"),
  });
}

/** hostile.py on this machine, on a socket of its own before plain `borg serve --append-only`. */
export async function unfiltered(folder: string, job: JobFile, python: string): Promise<void> {
  const socket = path.join(folder, "unfiltered.sock");
  const env = { ...borgEnvironment(homePaths().state), BORG_BASE_DIR: path.join(folder, "unfiltered") };
  const words = ["serve", "--append-only", "--restrict-to-repository", `./${job.job}`];
  const server = net.createServer({ allowHalfOpen: true }, (link) => {
    const child = spawn("borg", words, {
      cwd: path.dirname(job.repository),
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    link.on("error", () => child.kill());
    child.stdin.on("error", () => {});
    link.pipe(child.stdin);
    child.stdout.pipe(link);
  });
  await once(server.listen(socket), "listening");
  try {
    await command(["/usr/bin/python3", "-c", `from hostile import *\n${python}`, job.job], {
      env: {
        ...env,
        PYTHONPATH: import.meta.dirname,
        PYTHONDONTWRITEBYTECODE: "1",
        BORG_PASSPHRASE: passphrase,
        HOSTILE_SOCKET: socket,
        HOSTILE_RSH: `sh -c 'cd ${path.dirname(job.repository)} && exec borg ${words.join(" ")}'`,
      },
    });
  } finally {
    server.close();
  }
}
