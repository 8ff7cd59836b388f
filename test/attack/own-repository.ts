/** What the thief of a pull key would build: a repository and a passphrase of his own behind the socket that he forwards. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { promisify } from "node:util";
import type { Outcome } from "../../sandbox/command.ts";
import { paths } from "./furnished.ts";
import type { Client } from "./openssh.ts";

const ownPassphrase = "a passphrase of the thief's own";

export interface OwnRepository extends AsyncDisposable {
  /** Where `borg serve` answers, on this machine. */
  readonly socket: string;
  /** borg's own name for it: 64 of 0-9 and a-f. */
  readonly id: string;
  /** Logs in, forwards the socket and says `create RUN`; all that came of it, ssh's exit code included. */
  pull(client: Client, run: string): Promise<Outcome>;
  /** Every file in its archives: absolute path -> content. Without the canary of a run, unless it is asked for. */
  files(options?: { readonly canary: boolean }): Promise<ReadonlyMap<string, string>>;
}

/** @param job the name in the URL that borg on the VPS asks for */
export async function ownRepository(
  folder: string,
  job: string,
  encryption: "repokey" | "none" = "repokey",
): Promise<OwnRepository> {
  const own = fs.mkdtempSync(path.join(folder, "thief-"));
  const socket = path.join(own, "socket");
  const env = {
    PATH: process.env.PATH ?? "",
    LANG: "C.UTF-8",
    BORG_BASE_DIR: path.join(own, "borg"),
    BORG_PASSPHRASE: ownPassphrase,
    BORG_REPO: path.join(own, job),
  };
  const borg = async (cwd: string, ...args: readonly string[]) =>
    (await promisify(execFile)("borg", args, { cwd, env })).stdout;
  await borg(own, "init", "--encryption", encryption);
  const server = net.createServer({ allowHalfOpen: true }, (link) => {
    const child = spawn("borg", ["serve"], { cwd: own, env, stdio: ["pipe", "pipe", "ignore"] });
    link.on("error", () => child.kill());
    child.stdin.on("error", () => {});
    link.pipe(child.stdin);
    child.stdout.pipe(link);
  });
  await once(server.listen(socket), "listening");
  const { repository } = JSON.parse(await borg(own, "info", "--json")) as { repository: { id: string } };
  return {
    socket,
    id: repository.id,
    pull: (client, run) => {
      const forward = ["-R", `${paths.run}/${run}.sock:${socket}`, "-o", "ExitOnForwardFailure=yes"];
      return client.begin([...forward, "-o", "SendEnv=BORG_PASSPHRASE"], `create ${run}`, {
        BORG_PASSPHRASE: env.BORG_PASSPHRASE,
      }).ended;
    },
    files: async ({ canary } = { canary: false }) => {
      const names = (await borg(own, "list", "--short")).split("\n").filter(Boolean);
      const to = fs.mkdtempSync(path.join(own, "extracted-"));
      for (const name of names) await borg(to, "extract", `::${name}`);
      const found = fs
        .readdirSync(to, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name))
        .filter((file) => canary || !file.startsWith(`${to}/var/cache/borgpull/canary/`));
      return new Map(found.map((file) => [file.slice(to.length), fs.readFileSync(file, "utf8")]));
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      fs.rmSync(own, { recursive: true, force: true });
    },
  };
}
