/** A lock that the kernel holds, and who has it. */
import * as fs from "node:fs";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../schema/errors.ts";

/** Who holds a file, as they said; the job only where the lock is not a job's own. */
export interface Holder {
  readonly pid: number;
  /** ISO 8601, by home's clock. */
  readonly since: string;
  readonly job?: string;
  /** What it is at work for, as a person calls it: "borgpull mount". */
  readonly by?: string;
  /** It is held for seconds, not for as long as a pull may take. */
  readonly brief?: boolean;
}

/**
 * Holds a file until it is disposed of: an exclusive transaction on a database of its own. The kernel holds it (fcntl) and lets go when the
 * process dies, however it dies, so nothing is ever stale. Keep the result: what the garbage collector takes is let go.
 * @param patienceMilliseconds how long to wait for it; meanwhile this process does nothing else
 * @returns undefined when somebody holds it
 * @throws UserError when it cannot be made or opened
 */
export function holdFile(file: string, patienceMilliseconds = 0): Disposable | undefined {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    return transactionIn(new DatabaseSync(file, { timeout: patienceMilliseconds }));
  } catch (cause) {
    throw new UserError(
      `The lock ${file} cannot be taken: ${(cause as Error).message}.`,
      `Make room on its disk, and check that you may write to ${path.dirname(file)}.`,
      { cause },
    );
  }
}

function transactionIn(database: DatabaseSync): Disposable | undefined {
  try {
    // No file for a journal: nothing is ever written, and it would stay behind when the process is killed.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (/locked|busy/i.test((error as Error).message)) return undefined;
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}

/** Whether somebody holds a file. Only read: nobody who wants it is kept from it. */
export function isHeld(file: string): boolean {
  if (!fs.existsSync(file)) return false;
  try {
    using database = new DatabaseSync(file, { readOnly: true, timeout: 0 });
    database.prepare("SELECT 1 FROM sqlite_schema").get();
    return false;
  } catch (error) {
    return /locked|busy/i.test((error as Error).message); // else it is no lock at all, and nobody's
  }
}

/** As `holdFile`, with a note beside it for the message of whoever has to wait. */
export function holdNoted(
  file: string,
  about: Pick<Holder, "job" | "by" | "brief"> = {},
  patienceMilliseconds = 0,
): Disposable | undefined {
  const held = holdFile(file, patienceMilliseconds);
  if (!held) return undefined;
  note(file, { pid: process.pid, since: new Date().toISOString(), ...about });
  return {
    [Symbol.dispose]: () => {
      fs.rmSync(noteOf(file), { force: true });
      held[Symbol.dispose]();
    },
  };
}

/** Who holds a file, or has died with it: the note stays then. Undefined where nobody said. */
export function holderOf(file: string): Holder | undefined {
  try {
    return JSON.parse(fs.readFileSync(noteOf(file), "utf8")) as Holder;
  } catch {
    return undefined; // nobody, or it is being written
  }
}

const noteOf = (file: string): string => `${file}.holder`;

/** The lock itself is the transaction, and holds on a full disk too. */
function note(file: string, holder: Holder): void {
  try {
    fs.writeFileSync(noteOf(file), JSON.stringify(holder), { mode: 0o600 });
  } catch {
    // then the message names nobody
  }
}
