/** borg at home as a person calls it: with the terminal, and with what it has to know of the job. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgEnvironment, endingWithUs } from "../borg/command.ts";
import { readPassphrase } from "../passphrase.ts";

/** Commands of borg 1.2 and 1.4 that leave the log's older segments as they are; any other may write it anew. */
const keepsLog: readonly string[] =
  "create delete prune recreate rename import-tar list info diff extract export-tar mount umount check key config break-lock".split(
    " ",
  );

export interface BorgCommand {
  /** Such as "delete"; "?" when it is none that we know. */
  readonly verb: string;
  readonly rewritesLog: boolean;
}

/**
 * What a person's borg command will do, as far as home must know it beforehand.
 * @throws UserError for what borgpull has a command of its own for, as borg's would leave home behind
 */
export function borgCommand(job: string, args: readonly string[]): BorgCommand {
  const verb = args.find((arg) => keepsLog.includes(arg) || arg === "compact") ?? "?";
  if (verb === "key" && args.includes("change-passphrase")) {
    throw new UserError(
      "With borg's own command the passphrase file would be left behind.",
      `Run "borgpull passphrase ${job}".`,
    );
  }
  if (verb === "mount" && !args.some((arg) => arg === "--foreground" || /^-[a-z]*f/.test(arg))) {
    throw new UserError(
      "borg mount goes on in the background, and would keep every pull waiting.",
      `Run "borgpull mount ${job}", or give it --foreground.`,
    );
  }
  const rewritesLog = !keepsLog.includes(verb) || args.includes("compact") || args.includes("--repair");
  return { verb, rewritesLog };
}

/**
 * Runs borg with this process's terminal to its end. Ctrl-C is borg's; with us it is killed.
 * @returns borg's exit code
 */
export async function borgAtTerminal(job: JobFile, args: readonly string[]): Promise<number> {
  const { state } = homePaths();
  fs.mkdirSync(path.join(state, "borg"), { recursive: true, mode: 0o700 });
  const passphrase = readPassphrase(job.passphraseFile);
  const { TZ: _, ...environment } = borgEnvironment(state);
  const { TZ, TERM } = process.env;
  const [program, ...words] = [...endingWithUs, ...args] as [string, ...string[]];
  const child = spawn(program, words, {
    env: {
      ...environment,
      ...(TZ ? { TZ } : {}),
      ...(TERM ? { TERM } : {}),
      BORG_REPO: job.repository,
      BORG_PASSPHRASE_FD: "3",
    },
    stdio: ["inherit", "inherit", "inherit", "pipe"],
  });
  const input = child.stdio[3] as NodeJS.WritableStream;
  input.on("error", () => {}); // borg may end without having asked
  input.end(`${passphrase}\n`);
  const passOn = (signal: NodeJS.Signals) => void child.kill(signal);
  const leave = () => {}; // the terminal tells borg too
  process.on("SIGINT", leave).on("SIGTERM", passOn).on("SIGHUP", passOn);
  try {
    const ended = Promise.withResolvers<number>();
    child.on("error", ended.reject);
    child.on("close", (code, signal) =>
      ended.resolve(code ?? 128 + os.constants.signals[signal ?? "SIGKILL"]),
    );
    return await ended.promise;
  } finally {
    process.off("SIGINT", leave).off("SIGTERM", passOn).off("SIGHUP", passOn);
  }
}
