import * as fs from "node:fs";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../schema/errors.ts";

/** Somebody else works on this job now. */
export class JobBusyError extends UserError {
  override readonly name = "JobBusyError";
}

/**
 * Takes the lock of a job. It is an exclusive transaction on a database of its own: the kernel holds it (fcntl) and lets go when
 * the process dies, however it dies, so there is no stale lock.
 * @param file `homePaths().lock(job)`
 * @throws JobBusyError at once, when it is held; UserError when it cannot be taken
 */
export function lockJob(file: string, job: string): Disposable {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const holder = `${file}.holder`;
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    const { message } = cause as Error;
    if (!/locked|busy/i.test(message)) {
      throw new UserError(
        `The lock of job ${job} cannot be taken: ${message}.`,
        `Make room on the disk of ${path.dirname(file)}, and check that you may write there.`,
        { cause },
      );
    }
    throw new JobBusyError(
      `Job ${job} is being worked on${heldBy(holder)}.`,
      "Wait until that has ended, or end it.",
      { cause },
    );
  }
  tell(holder);
  return {
    [Symbol.dispose]: () => {
      fs.rmSync(holder, { force: true });
      database.close();
    },
  };
}

/** For the message of whoever is refused; the lock itself is the transaction, and holds on a full disk too. */
function tell(holder: string): void {
  try {
    fs.writeFileSync(holder, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }), {
      mode: 0o600,
    });
  } catch {
    // then the message names nobody
  }
}

function heldBy(holder: string): string {
  try {
    const { pid, since } = JSON.parse(fs.readFileSync(holder, "utf8")) as { pid: number; since: string };
    return ` by process ${pid}, since ${since}`;
  } catch {
    return ""; // being written, or just removed
  }
}
