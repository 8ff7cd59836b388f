import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { borgEnvironment } from "../borg.ts";
import { lineReader } from "../lines.ts";

/** A `borg serve` of one repository, which touches nothing of it before its first request. */
export interface BorgServe {
  readonly child: ChildProcessWithoutNullStreams;
  /** What it said, its last lines. */
  readonly messages: readonly string[];
  /** Resolves when it has ended, or could not be started. */
  readonly ended: Promise<void>;
  /** Tells it that nothing more comes, and then by signals. */
  end(): void;
}

export interface BorgServeOptions {
  readonly job: string;
  readonly repository: string;
  readonly state: string;
  /** borg takes 10 MB for the least. */
  readonly quotaBytes?: number | undefined;
}

const graceMilliseconds = 20_000;

/** Starts it: what Python takes for that, a fifth of a second, nobody has to wait for when it is done ahead of the first connection. */
export function startBorgServe(options: BorgServeOptions): BorgServe {
  const messages: string[] = [];
  const quota = options.quotaBytes === undefined ? [] : [`--storage-quota=${options.quotaBytes}`];
  const child = spawn(
    "borg",
    ["serve", "--append-only", "--restrict-to-repository", `./${options.job}`, "--umask=077", ...quota],
    {
      cwd: serveFolder(options),
      env: borgEnvironment(options.state), // without SSH_ORIGINAL_COMMAND, which borg serve would parse
      stdio: "pipe",
      detached: true, // a Ctrl-C in the terminal is ours to handle
    },
  );
  const finished = Promise.withResolvers<void>();
  child.stderr.on(
    "data",
    lineReader((line) => messages.push(line), { lines: 100 }),
  );
  child.stdin.on("error", () => {});
  child.on("error", (error) => {
    messages.push(error.message);
    finished.resolve();
  });
  child.on("close", () => finished.resolve());
  let timers: readonly NodeJS.Timeout[] | undefined;
  return {
    child,
    messages,
    ended: finished.promise,
    end: () => {
      if (timers) return;
      child.stdin.end();
      timers = [
        setTimeout(() => child.kill("SIGTERM"), graceMilliseconds),
        setTimeout(() => child.kill("SIGKILL"), 2 * graceMilliseconds),
      ];
      void finished.promise.then(() => timers?.forEach(clearTimeout));
    },
  };
}

/**
 * A folder of ours in which `<job>` is a link to the repository: the URL `ssh://borg/./<job>` stays true, to borg's relocation
 * alarm on the VPS too, when the repository moves.
 */
function serveFolder(options: BorgServeOptions): string {
  const folder = path.join(options.state, "serve", options.job);
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const link = path.join(folder, options.job);
  const fresh = `${link}.new`;
  fs.rmSync(fresh, { force: true });
  fs.symlinkSync(options.repository, fresh);
  fs.renameSync(fresh, link);
  return folder;
}
