import * as fs from "node:fs/promises";
import * as path from "node:path";
import { lastCommitted } from "../segments.ts";
import { type Existing, openExisting } from "./existing.ts";
import type { Before } from "./policy.ts";
import { type Room, type RoomOptions, watchRoom } from "./room.ts";

/** What a repository was before a session, and has room for: all that the filter has to know of it. */
export interface Guard extends AsyncDisposable {
  readonly before: Before;
  readonly existing: Existing;
  readonly room: Room;
}

/**
 * Takes stock of a repository that nobody writes to. To be disposed of when the session is over.
 * @throws UserError when its index is not that of its last transaction
 */
export async function openGuard(options: RoomOptions & { readonly job: string }): Promise<Guard> {
  const { job, repository } = options;
  const transaction = await lastCommitted(repository);
  const room = await watchRoom(options, transaction);
  const before = { job, nonce: await nonceOf(repository) };
  const existing = await openExisting(repository, transaction);
  return { before, existing, room, [Symbol.asyncDispose]: () => existing[Symbol.asyncDispose]() };
}

/** For a session that only reads: nothing has to be known of the repository, which may be one that borg is yet to put in order. */
export const guardOfReading = (job: string): Guard => ({
  before: { job, nonce: undefined },
  existing: { has: async () => false, [Symbol.asyncDispose]: async () => {} },
  room: async () => undefined,
  [Symbol.asyncDispose]: async () => {},
});

/** Repository.get_free_nonce; a key without encryption needs none. */
async function nonceOf(repository: string): Promise<bigint | undefined> {
  try {
    const text = await fs.readFile(path.join(repository, "nonce"), "latin1");
    return /^[0-9a-f]{16}\s*$/.test(text) ? BigInt(`0x${text.trim()}`) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
