import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import { isBorg, judgeLock, lockHolders } from "../borg/lock.ts";
import { hostId } from "../borg.ts";

/**
 * Takes borg's own exclusive lock of a repository, as borg takes it (locking.py of 1.2 and 1.4, ExclusiveLock), so that no borg, a
 * person's either, begins while files are moved. When this process dies, the lock is stale to every borg of ours.
 * @throws UserError at once when somebody holds it, or reads the repository
 */
export function holdRepository(repository: string): Disposable {
  const lock = path.join(repository, "lock.exclusive");
  const name = `${hostId()}.${process.pid}-0`;
  const made = fs.mkdtempSync(`${lock}.`);
  fs.writeFileSync(path.join(made, name), "");
  try {
    fs.renameSync(made, lock); // onto an empty folder too: that is nobody's lock
  } catch (cause) {
    fs.rmSync(made, { recursive: true });
    if (!["ENOTEMPTY", "EEXIST"].includes((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
    throw busy(repository, cause);
  }
  const held = {
    [Symbol.dispose]: () => {
      fs.rmSync(path.join(lock, name), { force: true });
      fs.rmdirSync(lock);
    },
  };
  const others = lockHolders(repository).filter(({ pid }) => pid !== process.pid);
  if (judgeLock(others, { host: hostId(), isBorg }).kind !== "held") return held;
  held[Symbol.dispose]();
  throw busy(repository);
}

const busy = (repository: string, cause?: unknown): UserError =>
  new UserError(`${repository} is locked by borg.`, "Wait until that borg has ended, then run it again.", {
    cause,
  });
